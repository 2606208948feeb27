"""A drawn scene as data: what stands where, which is its whole truth. Draws nothing and names nothing."""

from dataclasses import dataclass, field

from demo.world import RATINGS


@dataclass(frozen=True, kw_only=True)
class PlacedObject:
    """One drawn thing: the middle of its box and its longest side, as shares of the picture's edge."""

    x: float
    y: float
    side: float


@dataclass(frozen=True, kw_only=True)
class Group:
    """One to three like things, evenly spaced on a line."""

    noun: str
    colour: str
    size: str
    objects: tuple[PlacedObject, ...]
    character: str | None = None

    @property
    def count(self) -> int:
        return len(self.objects)


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A scene's whole truth.

    Args:
        axis: "h" when the groups stand in bands from left to right, "v" from top to bottom. A group's objects stand
            in a line across it.
        groups: in the order of the bands.
        folded_corners: the corners that are folded over; their number is the rating.
    """

    style: str
    background: str
    axis: str
    groups: tuple[Group, ...]
    folded_corners: tuple[str, ...] = ()
    drawing_seed: int = field(default=0, repr=False)

    @property
    def rating(self) -> str:
        return RATINGS[len(self.folded_corners)]

    @property
    def characters(self) -> list[str]:
        return [group.character for group in self.groups if group.character]
