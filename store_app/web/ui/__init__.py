"""Layout, components and forms that every page shares."""
