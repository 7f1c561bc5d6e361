// For --import by files with random cases: the same ones in every run, so that a run that fails is nobody's bad luck. Others are
// tried with OLLAMAMAX_SIM_SEED.
import fc from "fast-check";
import { seedOfRun } from "../../test/sim/seed.ts";

fc.configureGlobal({ seed: seedOfRun() });
