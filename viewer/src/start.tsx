import "./style.css";
import { render } from "preact";
import { type Store, storedTheme, theme } from "./state";
import { App } from "./ui/app";

/** Show what a store has, and from then on what comes. */
export function show(store: Store): void {
    theme.value = storedTheme();
    render(<App store={store} />, document.getElementById("app")!);
}
