import { liveSource, signIn } from "./source/live";
import { start } from "./start";

void start(liveSource, signIn());
