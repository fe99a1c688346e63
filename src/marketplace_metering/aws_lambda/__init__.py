"""The two Lambda functions: translations between AWS's events and the two use cases."""
