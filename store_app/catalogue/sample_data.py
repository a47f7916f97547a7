"""The sample items of a new store: names, descriptions and prices.

The five classic items come first and keep their order. Every item has a drawn cover at `/covers/<sku>.svg`.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["non_consumable", "consumable"]


@dataclass(frozen=True, slots=True)
class SampleItem:
    """One item of the catalogue; `price` is in US cents."""

    sku: str
    name: str
    description: str
    price: int
    kind: Kind = "non_consumable"


_CLASSICS = (
    SampleItem(
        sku="dragon-sword",
        name="Dragon Sword",
        description=(
            "Quenched in the breath of the last red dragon, and still warm to the touch. "
            "Every third strike sets its target alight, and the flame grows with your level. "
            "Carried into a boss fight, it glows before the boss does."
        ),
        price=999_99,
    ),
    SampleItem(
        sku="magic-shield",
        name="Magic Shield",
        description=(
            "A star of bound light sits behind the steel and wakes when you raise it. "
            "It stops arrows, spells and falling masonry, and returns a fifth of what it stops. "
            "Light enough for a mage, honest enough for a knight."
        ),
        price=499_99,
    ),
    SampleItem(
        sku="speed-boots",
        name="Speed Boots",
        description=(
            "Stitched by couriers who had a kingdom to warn and one night to do it. "
            "You run a third faster, jump a little further and leave no tracks in sand or snow. "
            "The wings are not only for show."
        ),
        price=299_99,
    ),
    SampleItem(
        sku="health-potion",
        name="Health Potion",
        description=(
            "One flask restores all of your health in a single breath, even in the middle of a fight. "
            "It tastes of cherries and iron. Keep two: the second is for whoever follows you."
        ),
        price=49_99,
        kind="consumable",
    ),
    SampleItem(
        sku="wizard-hat",
        name="Wizard Hat",
        description=(
            "Tall, bent at the tip and full of opinions about your spelling. "
            "It shortens every incantation by a word and hides one small object under the brim. "
            "Dye it in any color you have found."
        ),
        price=199_99,
    ),
)

_GAMES = (
    SampleItem(
        sku="starfall",
        name="Starfall",
        description=(
            "The sky over a small moon has begun to come down, and you are the only surveyor on it. "
            "Catch falling stars, read what they carry and rebuild the beacon before the big one lands. "
            "An open-world exploration game of about thirty hours, alone or with one friend."
        ),
        price=29_99,
    ),
    SampleItem(
        sku="harbor-of-echoes",
        name="Harbor of Echoes",
        description=(
            "Keep a lighthouse where every sound comes back a day late. "
            "Listen, chart the fog and bring home ships that sank before you were born. "
            "A narrative mystery with four endings and a full voice cast."
        ),
        price=24_99,
    ),
    SampleItem(
        sku="ironroot-siege",
        name="Ironroot Siege",
        description=(
            "Raise a fortress in the roots of a living tree and hold it through forty nights of war. "
            "Walls grow, bridges burn and the tree remembers how you treat it. "
            "Real-time strategy for one to four players, with a map editor included."
        ),
        price=39_99,
    ),
    SampleItem(
        sku="afterglow-circuit",
        name="Afterglow Circuit",
        description=(
            "Race a sun that never quite sets, on roads drawn one bar ahead of the music. "
            "Twenty-four tracks, sixteen cars and a drift learned in a minute and mastered in a summer. "
            "Split screen for two, online for twelve."
        ),
        price=19_99,
    ),
    SampleItem(
        sku="a-fox-of-paper",
        name="A Fox of Paper",
        description=(
            "You are folded from a letter that was never sent, and the rain is coming. "
            "Refold yourself into a crane, a boat or a lantern to cross a forest made of books. "
            "A gentle puzzle adventure for an evening or two."
        ),
        price=14_99,
    ),
    SampleItem(
        sku="the-lantern-below",
        name="The Lantern Below",
        description=(
            "One small submarine, one lamp and a trench that is deeper on every dive. "
            "Follow the light, but learn which lights to leave alone. "
            "A roguelike of pressure, salvage and very large teeth."
        ),
        price=17_99,
    ),
    SampleItem(
        sku="clockwork-orchard",
        name="Clockwork Orchard",
        description=(
            "Plant gears, water them with oil and harvest brass apples before the spring runs down. "
            "Each tree drives the next, so a good orchard is also a good machine. "
            "Ninety hand-made puzzles and a garden mode with no clock at all."
        ),
        price=9_99,
    ),
    SampleItem(
        sku="salt-caravan",
        name="Salt Caravan",
        description=(
            "Sail wheeled ships across a dry sea, trading water for stories and stories for sailcloth. "
            "The wind decides where you go, your crew decides whether you arrive. "
            "A survival and trading game whose map is new for every captain."
        ),
        price=34_99,
    ),
)

_CURRENCY_AND_CONSUMABLES = (
    SampleItem(
        sku="pouch-of-500-gems",
        name="Pouch of 500 Gems",
        description=(
            "Five hundred gems in a leather pouch, on your balance the moment your payment is confirmed. "
            "Enough for a new outfit with some left for dye. Gems never expire."
        ),
        price=4_99,
        kind="consumable",
    ),
    SampleItem(
        sku="chest-of-6500-gems",
        name="Chest of 6,500 Gems",
        description=(
            "The big one: six thousand five hundred gems, and thirty percent more for your money. "
            "The chest stays in your hall as furniture after you have emptied it. Gems never expire."
        ),
        price=49_99,
        kind="consumable",
    ),
    SampleItem(
        sku="stack-of-star-coins",
        name="Stack of Star Coins",
        description=(
            "A hundred star coins for the traveling market, which takes no other money. "
            "Spend them on seeds, songs and single-use maps. The small change of a big world."
        ),
        price=99,
        kind="consumable",
    ),
    SampleItem(
        sku="phoenix-feather",
        name="Phoenix Feather",
        description=(
            "Brings one fallen companion back with half their health and a short, bright temper. "
            "It works once, then drifts away as ash. Usable in co-op on players you have not met yet."
        ),
        price=2_99,
        kind="consumable",
    ),
    SampleItem(
        sku="scroll-of-double-experience",
        name="Scroll of Double Experience",
        description=(
            "Read it aloud and everything you learn for the next two hours counts twice. "
            "The timer stops while you are in town or offline. It can be shared with a party of four."
        ),
        price=3_49,
        kind="consumable",
    ),
    SampleItem(
        sku="rune-bomb",
        name="Rune Bomb",
        description=(
            "Five seconds of fuse and one very old word. "
            "It clears cracked walls, rock slides and most arguments in a wide circle. "
            "Sold in packs of three."
        ),
        price=1_99,
        kind="consumable",
    ),
    SampleItem(
        sku="campfire-stew",
        name="Campfire Stew",
        description=(
            "A pot for the whole party: slow healing and resistance to cold until the next dawn. "
            "The recipe changes with the region you cook it in. Nobody asks about the mushrooms."
        ),
        price=1_49,
        kind="consumable",
    ),
    SampleItem(
        sku="vault-key",
        name="Vault Key",
        description=(
            "Opens one sealed vault of any tier, then turns to brass dust. "
            "What lies inside is shown at the door before you turn it. Keys keep for later seasons."
        ),
        price=2_49,
        kind="consumable",
    ),
)

_GEAR_AND_SKINS = (
    SampleItem(
        sku="frostfang-wolf",
        name="Frostfang Wolf",
        description=(
            "A companion from the far north that finds buried things and sleeps on your feet. "
            "It fights beside you, carries a small pack and answers to the name you give it. "
            "Comes with three coats for the seasons."
        ),
        price=24_99,
    ),
    SampleItem(
        sku="midnight-raven-cloak",
        name="Midnight Raven Cloak",
        description=(
            "An outfit for those who prefer rooftops to roads. "
            "The feathers stir when an enemy is near, and ravens land where you stand still. "
            "Changes how you look, never how strong you are."
        ),
        price=14_99,
    ),
    SampleItem(
        sku="emberwing-glider",
        name="Emberwing Glider",
        description=(
            "A glider skin with wings of warm silk that trail sparks at speed. "
            "It turns gold at sunset for everyone who sees you pass. Works with every glider you own."
        ),
        price=19_99,
    ),
    SampleItem(
        sku="crystal-bow",
        name="Crystal Bow",
        description=(
            "Grown, not carved, in a cave that sings when the wind is right. "
            "Arrows pass through the first target and slow the second. The string has never been cut."
        ),
        price=349_99,
    ),
    SampleItem(
        sku="storm-hammer",
        name="Storm Hammer",
        description=(
            "Swing it and the weather takes your side. "
            "Lightning leaps between up to five enemies, and twice as far in the rain. "
            "Heavy in the hand, heavier everywhere else."
        ),
        price=249_99,
    ),
    SampleItem(
        sku="dragon-egg",
        name="Dragon Egg",
        description=(
            "It is warm, it is cracked and it has started to hum. "
            "Keep it close through ten adventures and it hatches into a dragon shaped by what it saw. "
            "No two players have raised the same one."
        ),
        price=599_99,
    ),
    SampleItem(
        sku="sky-citadel",
        name="Sky Citadel",
        description=(
            "A home above the clouds with room for your guild, your trophies and a waterfall. "
            "Move it over any region you have explored and lower the bridge for guests. "
            "All furniture you own fits through the gate."
        ),
        price=89_99,
    ),
    SampleItem(
        sku="crown-of-the-first-king",
        name="Crown of the First King",
        description=(
            "There was one king before the others, and this is what he left on the cushion. "
            "Townsfolk bow, gates open unasked and your banner flies over the capital for a day each month. "
            "The rarest thing we sell, and the least useful in a fight."
        ),
        price=1_499_99,
    ),
)

_EXTRAS = (
    SampleItem(
        sku="season-pass-emberfall",
        name="Season Pass: Emberfall",
        description=(
            "Ten weeks of autumn fire: a new region, two story chapters and sixty rewards to earn. "
            "Progress is kept if you join late, and what you have unlocked is yours for good."
        ),
        price=9_99,
    ),
    SampleItem(
        sku="starfall-soundtrack",
        name="Starfall: Original Soundtrack",
        description=(
            "Twenty-two pieces for strings, tape loops and one very old radio, from the game Starfall. "
            "Includes five tracks that were cut from the last act and notes by the composer. "
            "Lossless and MP3, yours to keep."
        ),
        price=7_99,
    ),
)

SAMPLE_ITEMS: tuple[SampleItem, ...] = (
    *_CLASSICS,
    *_GAMES,
    *_GEAR_AND_SKINS,
    *_CURRENCY_AND_CONSUMABLES,
    *_EXTRAS,
)
