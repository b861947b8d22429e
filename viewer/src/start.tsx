import "./style.css";
import { render } from "preact";
import { parse } from "./model/address";
import type { Source } from "./source/source";
import { address, Store } from "./state";
import { App } from "./ui/app";

/** Show what a source has, once `before` is done; what it fails with is shown in place of the data. */
export async function start(source: Source, before: Promise<void> = Promise.resolve()): Promise<void> {
    const store = new Store(source);
    await before.catch((error: Error) => (store.refused.value = error.message));
    address.value = parse(location.hash);
    render(<App store={store} />, document.getElementById("app")!);
    await store.start();
}
