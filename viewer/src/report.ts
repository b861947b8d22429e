import { reportSource } from "./source/report";
import { show } from "./start";
import { address, Store } from "./state";

/** Something has been painted; at once in the background, where no frames are made. */
function painted(): Promise<void> {
    const now = document.hidden || performance.getEntriesByName("first-contentful-paint").length > 0;
    return new Promise((done) => (now ? done() : requestAnimationFrame(() => setTimeout(done))));
}

/** Once the summary for browsers without script is on screen, the data are unpacked; then the page takes its place, in one go. */
async function start(): Promise<void> {
    await painted();
    const store = new Store(reportSource());
    await store.start();
    const { run } = address.value;
    if (run) await store.filled(run);
    show(store);
    document.getElementById("pytest-otlp-static")?.remove();
}

void start();
