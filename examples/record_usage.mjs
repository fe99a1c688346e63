// Recording usage from Node.js, without this package: npm install @aws-sdk/client-dynamodb @aws-sdk/lib-dynamodb
//
// recordUsage() is the guide's example: one usage record a call.
// recordEvent() counts an event once, however often it is called, together with every recorder of
// the Python package (docs/recorder.md, "The same in other languages").
import { createHash } from 'node:crypto';
import { pathToFileURL } from 'node:url';

const TABLE = process.env.USAGE_TABLE ?? 'YOUR_STACK_NAME-MeteringRecords';

export async function connect() {
    const { DynamoDBClient } = await import('@aws-sdk/client-dynamodb');
    const { DynamoDBDocumentClient, PutCommand, NumberValue } = await import('@aws-sdk/lib-dynamodb');
    const client = DynamoDBDocumentClient.from(new DynamoDBClient());
    return { put: (input) => client.send(new PutCommand(input)), number: (text) => NumberValue.from(text) };
}

export async function recordUsage({ put }, customerAWSAccountId, productCode, dimension, quantity) {
    await put({
        TableName: TABLE,
        Item: {
            customerAWSAccountId,
            productCode,
            create_timestamp: Date.now(),
            dimension,
            quantity,
            metering_pending: 'true'
        }
    });
}

// The places of an event: milliseconds with six decimals, as text, since they do not fit a Number.
export function* placesOf(eventId, at) {
    const second = BigInt(Math.floor(at.getTime() / 1000));
    const hash = createHash('sha256').update(eventId, 'utf8').digest().readBigUInt64BE(0);
    for (let step = 0n; step < 10000n; step++) {
        const ns = second * 1000000000n + (hash + step) % 1000000000n;
        yield `${ns / 1000000n}.${String(ns % 1000000n).padStart(6, '0')}`;
    }
}

// Answers true if the event is new, false if it was recorded before; throws if it was recorded
// before with other content, or if nobody knows: then call it again with the same arguments.
export async function recordEvent({ put, number }, customerAWSAccountId, productCode, dimension, quantity, eventId, at) {
    for (const place of placesOf(eventId, at)) {
        try {
            await put({
                TableName: TABLE,
                Item: {
                    customerAWSAccountId,
                    productCode,
                    create_timestamp: number(place),
                    dimension,
                    quantity,
                    metering_pending: 'true',
                    event_id: eventId
                },
                ConditionExpression: 'attribute_not_exists(customerAWSAccountId)',
                ReturnValuesOnConditionCheckFailure: 'ALL_OLD'
            });
            return true;
        } catch (error) {
            if (error.name !== 'ConditionalCheckFailedException' || !error.Item) throw error;
            if (error.Item.event_id?.S !== eventId) continue; // another event stands there
            const there = error.Item;
            if (!there.productCode) return false; // it is recorded, and stands elsewhere
            if (there.productCode?.S === productCode && there.dimension?.S === dimension &&
                Number(there.quantity?.N) === quantity && !there.licenseArn && !there.tags) return false;
            throw new Error(`event ${eventId} was recorded before with other content`);
        }
    }
    throw new Error(`the second of event ${eventId} is full`);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
    const table = await connect();
    await recordUsage(table, '123456789012', 'abc123xyz456', 'api_calls', 10);
    await recordEvent(table, '123456789012', 'abc123xyz456', 'orders', 1, 'order-4711', new Date(1708012345678));
}
