"""The commands of the store: one file each, which defines `command`, and one line in `COMMANDS`.

`command_line` imports a file only when its command is run: the list of commands appears at once, and one command
does not wait for what another one imports.
"""

# The name of each command with its help in the list; "catalogue-sync" is `command` in catalogue_sync.py.
COMMANDS = {
    "serve": "Serve pages, API and websockets until stopped.",
    "check-production": "List what must be changed before these settings can run in production.",
    "items": "Import and export the items; put the sample items on sale.",
    "orders": "Print every transition of an order.",
    "inbox": "List, show, replay and prune the provider's deliveries.",
    "attention": "List, show and settle what staff must look at.",
    "reconcile": "Ask the payment provider once about orders that no notification settled.",
    "catalogue-sync": "Mirror our items into the payment provider's catalogue.",
}
