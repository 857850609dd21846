"""Models: built from configurations, stored in folders, shipped with the package."""
