"""The library an application records usage with; its public names are those of the package."""
