// Lets Node run the example of docs/guide.md as it is printed: node --import ./require.mjs example.mjs
//
// With `await` outside of a function a file is an ES module, and those have no `require`.
import { createRequire } from 'node:module';

globalThis.require = createRequire(`${process.cwd()}/`);
