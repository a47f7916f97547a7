"""The catalogue that the store keeps with the provider, once it does."""

from simulator.item_bodies import VirtualItem


class Shelf:
    """Items by SKU, in the order they were made; in use from the first one on, even when emptied again."""

    def __init__(self) -> None:
        self.is_in_use = False
        self.items: dict[str, VirtualItem] = {}

    def put(self, item: VirtualItem) -> None:
        """Write an item; one of the same SKU is replaced where it stands."""
        self.is_in_use = True
        self.items[item.sku] = item

    def on_sale(self) -> list[VirtualItem]:
        """Give the items that may be bought."""
        return [item for item in self.items.values() if item.is_enabled]
