import "./style.css";
import { render } from "preact";
import { address, Store } from "./state";
import { parse } from "./model/address";
import { liveSource, signIn } from "./source/live";
import { inReport, reportSource } from "./source/report";
import { App } from "./ui/app";

async function main(): Promise<void> {
    const report = inReport();
    const store = new Store(report ? reportSource() : liveSource);
    if (!report) await signIn().catch((error: Error) => (store.refused.value = error.message));
    address.value = parse(location.hash);
    render(<App store={store} />, document.getElementById("app")!);
    await store.start();
    // The summary for browsers without script has done its work.
    document.getElementById("pytest-otlp-static")?.remove();
}

void main();
