"""`python -m portrait_studio.runner` is the command line, also where `portrait-studio` is not installed."""

from .commands import main

if __name__ == "__main__":
    main()
