// The driver of this client for the shared suite: tests/clients/README.md says what it does.

import { drive } from "./orders.mjs";

await drive();
