// Impact Pack 7 turns every BOOLEAN widget of every node into one that throws when a graph is loaded ("Cannot delete
// property 'value' of #<BooleanWidget>", comboBoolMigration.js), so that no graph with a switch opens on a frontend of
// 2025 or newer. It leaves the widgets alone where an extension of this name does the work; ours has none to do, since
// our graphs hold booleans as booleans. Impact Pack 8 has no such file.
import { app } from "../../../scripts/app.js";

const name = "Comfy.comboBoolMigration";
if (!app.extensions.some((extension) => extension.name === name)) app.registerExtension({ name });
