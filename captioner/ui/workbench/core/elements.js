// Finding what the page's HTML gives a name. Knows no set.

export const byId = (id) => document.getElementById(id);

/** The element of everything but toolbar and settings. */
export const bench = () => document.querySelector('.cw');
