"""A deterministic simulation of metering under every fault we can name. See docs/proof.md."""
