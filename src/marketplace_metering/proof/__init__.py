"""How the promise is proven: simulated worlds, a simulated DynamoDB, and the demo."""
