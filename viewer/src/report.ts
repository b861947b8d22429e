import { reportSource } from "./source/report";
import { start } from "./start";

// The summary for browsers without script has done its work once the page is there.
void start(reportSource()).then(() => document.getElementById("pytest-otlp-static")?.remove());
