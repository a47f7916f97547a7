"""Everything that only Xsolla needs."""
