// Impact Pack 7 gives its branch the type of what is connected to it, and looks for that node in the root graph even
// where the branch is inside a block. The node is not found there, and the loading of the graph breaks off ("Cannot read
// properties of undefined (reading 'outputs')"). Inside a block the branch therefore stays of any type.
import { app } from "../../../scripts/app.js";

const BRANCHES = ["ImpactConditionalBranch", "ImpactConditionalBranchSelMode"];

app.registerExtension({
  name: "PortraitStudio.ImpactBranch",
  nodeCreated(node) {
    if (!BRANCHES.includes(node.comfyClass)) return;
    const theirs = node.onConnectionsChange;
    node.onConnectionsChange = function (...told) {
      // Frontends without blocks have no isRootGraph.
      return this.graph?.isRootGraph === false ? undefined : theirs?.apply(this, told);
    };
  },
});
