import { parse } from "./model/address";
import { liveSource, signIn } from "./source/live";
import { show } from "./start";
import { address, Store } from "./state";

async function start(): Promise<void> {
    const store = new Store(liveSource);
    await signIn().catch((error: Error) => (store.refused.value = error.message));
    address.value = parse(location.hash); // without the token
    show(store);
    await store.start();
}

void start();
