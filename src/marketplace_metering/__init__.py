"""Usage metering for AWS Marketplace, exactly once."""
