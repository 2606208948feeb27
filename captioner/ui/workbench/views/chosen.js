// The files that a person chose, by button or by dropping them, each with its path below what was chosen.

/** Of a file input. A folder's files say where in it they lie. */
export const ofInput = (input) =>
  [...input.files].map((file) => ({ file, path: file.webkitRelativePath || file.name }));

/**
 * Of a drop, those inside dropped folders included. To be called while the drop goes on.
 * @returns {{found: {file: File, path: string}[], unreadable: string[]}} unreadable: why some were not found, in words
 */
export async function ofDrop(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return { found: [...transfer.files].map((file) => ({ file, path: file.name })), unreadable: [] };
  const found = [];
  const unreadable = [];
  const visit = async (entry) => {
    const path = entry.fullPath.replace(/^\//, '');
    if (entry.isFile) {
      const file = await new Promise((good, bad) => entry.file(good, bad)).catch(() => null);
      if (file) found.push({ file, path });
      else unreadable.push(`${path}: it cannot be read`);
      return;
    }
    const reader = entry.createReader();
    for (;;) {
      const some = await new Promise((good, bad) => reader.readEntries(good, bad)).catch(() => null);
      if (!some) unreadable.push(`${path}: this folder cannot be read`);
      if (!some?.length) return;
      for (const child of some) await visit(child);
    }
  };
  for (const entry of entries) await visit(entry);
  return { found, unreadable };
}
