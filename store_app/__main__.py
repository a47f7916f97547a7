"""`python -m store_app COMMAND`: every command of the store; `--help` lists them."""

from store_app.commands.command_line import main

if __name__ == "__main__":
    main()
