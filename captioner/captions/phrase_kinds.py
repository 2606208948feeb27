"""Kinds of things that captions say, such as hair, clothes or the background, and the words each is known by. Data.

Whoever trains a person, a character or a style decides kind by kind: what captions describe stays what a prompt can
change, what they leave out is learned with the trigger word. The lists hold what captioners and taggers say most, in
the singular; a plural by "s" is understood.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Words = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind.

    title: as the page calls it. things: nouns, which go with what stands around them ("with long black hair").
    doings: words that stand for themselves ("smiling", "from above").
    """

    title: str
    things: tuple[Words, ...]
    doings: tuple[Words, ...] = ()


def _listed(text: str) -> tuple[Words, ...]:
    """ "hair, side lock" -> (("hair",), ("side", "lock"))."""
    return tuple(tuple(entry.split()) for entry in text.split(",") if entry.strip())


KINDS: Mapping[str, Kind] = {
    "hair": Kind(
        "Hair",
        _listed(
            "hair, bang, ponytail, pigtail, twintail, braid, bun, ahoge, sidelock, side lock, hairstyle, afro, fringe,"
            "dreadlock, mohawk, beard, mustache, moustache, curl, parted bang, blunt bang"
        ),
        _listed("bald, blonde, brunette, redhead"),
    ),
    "eyes": Kind("Eyes", _listed("eye, eyelash, eyelashes, eyebrow, pupil, heterochromia, eyeshadow")),
    "body": Kind(
        "Body",
        _listed(
            "skin, freckle, lip, nose, cheek, mole, scar, tattoo, breast, cleavage, abs, muscle, belly, navel, thigh,"
            "leg, arm, shoulder, collarbone, fang, tail, wing, horn, animal ear, cat ear, dog ear, fox ear, rabbit ear,"
            "pointy ear, halo, fur, paw, whisker, snout, beak, stubble, wrinkle, physique, figure"
        ),
        _listed("muscular, slim, tall, chubby, skinny, curvy"),
    ),
    "clothes": Kind(
        "Clothes",
        _listed(
            "dress, dresses, shirt, t-shirt, tshirt, tee, blouse, skirt, pant, trousers, jeans, shorts, hat, cap,"
            "beanie, jacket, coat, hoodie, sweater, cardigan, vest, suit, tuxedo, tie, necktie, bowtie, uniform,"
            "kimono, yukata, robe, gown, swimsuit, bikini, lingerie, underwear, bra, pantie, sock, stocking, thighhigh,"
            "pantyhose, legging, tight, shoe, boot, sneaker, sandal, heel, glove, scarf, belt, apron, cape, cloak,"
            "armor, armour, clothes, clothing, outfit, costume, sleeve, collar, hood, glasses, sunglasses, eyewear,"
            "goggles, mask, helmet, headband, hairband, hair ornament, hair ribbon, hair bow, hairclip, ribbon, bow,"
            "crown, tiara, veil, earring, necklace, choker, bracelet, ring, jewelry, watch, backpack, bag, handbag,"
            "purse, umbrella, headphone, serafuku, neckerchief, bandana, turban, overalls, jumpsuit, leotard, tank top,"
            "crop top, top, denim, leather, lace, button"
        ),
        _listed("nude, naked, topless, shirtless, barefoot, midriff"),
    ),
    "expression": Kind(
        "Expression",
        _listed(
            "smile, grin, frown, smirk, pout, blush, tear, expression, open mouth, closed mouth, open eye, closed eye,"
            "half-closed eye, mouth, tongue, tooth, teeth"
        ),
        _listed(
            "smiling at the camera, eyes closed, mouth open, smiling, laughing, crying, frowning, grinning, blushing,"
            "screaming, yelling, angry, happy, sad, serious, surprised, :d, :o, ;d, ^ ^"
        ),
    ),
    "pose": Kind(
        "Pose",
        _listed(
            "pose, arms up, arm up, crossed arm, hand up, hands up, hand on hip, hands on hips, hand on own hip,"
            "hand in pocket, hands in pockets, outstretched arm, outstretched arms, v, peace sign"
        ),
        _listed(
            "looking at the camera, looking at camera, looking at viewer, looking at the viewer, looking to the side,"
            "looking away, looking back, looking up, looking down, looking at another, facing viewer, facing away,"
            "standing up, sitting down, lying down, laying down, standing, sitting, seated, lying, laying, kneeling,"
            "crouching, squatting, walking, running, jumping, leaning, leaning forward, posing, dancing, arms crossed,"
            "arms behind back, head tilt, on back, on side, on stomach, wariza, seiza, from the waist up"
        ),
    ),
    "background": Kind(
        "Background",
        _listed(
            "background, sky, cloud, forest, wood, tree, field, meadow, grass, flower field, garden, park, beach,"
            "ocean, sea, lake, river, water, mountain, hill, desert, sand, snow, road, street, sidewalk, alley, city,"
            "cityscape, town, wall, brick wall, fence, room, bedroom, kitchen, bathroom, classroom,"
            "office, living room, floor, ceiling, window, curtain, door, bed, couch, sofa, stage, studio, backdrop,"
            "scenery, landscape, sunset, sunrise, night sky, starry sky, asphalt, backyard, bench, stair, station"
        ),
        _listed("outdoors, outdoor, indoors, indoor, outside, inside, night, day, at night, in the dark"),
    ),
    "style": Kind(
        "Style and medium",
        _listed(
            "photo, photograph, photography, picture, image, painting, oil painting, watercolor, watercolour, drawing,"
            "sketch, illustration, digital art, concept art, artwork, art, pixel art, anime, manga, comic, cartoon,"
            "render, rendering, 3d render, 3d, icon, logo, sticker, poster, style, flat style, vector, line art,"
            "lineart, doodle, engraving, collage, screenshot, film still, film grain"
        ),
        _listed("black and white, monochrome, greyscale, grayscale, sepia, realistic, photorealistic, pixelated"),
    ),
    "framing": Kind(
        "Framing and light",
        _listed(
            "portrait, self portrait, self-portrait, selfie, close-up, close up, closeup, headshot, shot, wide shot,"
            "cowboy shot, full body, upper body, lower body, view, side view, front view, top view, angle, perspective,"
            "profile, depth of field, bokeh, lighting, light, backlighting, shadow, lens flare, vignette"
        ),
        _listed(
            "from above, from below, from behind, from side, from the side, blurry, out of focus, dutch angle, cropped,"
            "centered, sunlit, backlit"
        ),
    ),
}
"""By the name that settings and programs use."""
