import { reportSource } from "./source/report";
import { start } from "./start";

const source = reportSource();
// The summary for browsers without script is all there is to see until the data are unpacked; what they fail with, the page tells.
const unpacked = source.info().then(
    () => {},
    () => {},
);
void start(source, unpacked).then(() => document.getElementById("pytest-otlp-static")?.remove());
