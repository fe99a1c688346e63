// The example of docs/guide.md as a program: npm ci && TABLE=my-stack-MeteringRecords node record_usage.js
//
// It is the same code, but for the calls: CommonJS has no await outside of a function.
const { DynamoDBClient } = require('@aws-sdk/client-dynamodb');
const { DynamoDBDocumentClient, PutCommand } = require('@aws-sdk/lib-dynamodb');
const dynamodb = DynamoDBDocumentClient.from(new DynamoDBClient());

async function recordUsage(customerAWSAccountId, productCode, dimension, quantity) {
    await dynamodb.send(new PutCommand({
        TableName: process.env.TABLE,
        Item: {
            customerAWSAccountId,
            productCode,
            create_timestamp: Date.now(),
            dimension,
            quantity,
            metering_pending: 'true'
        }
    }));
}

async function main() {
    await recordUsage('123456789012', 'abc123xyz456', 'api_calls', 10);
    await recordUsage('123456789012', 'def789uvw012', 'users', 5);
}

main();
