"""Makes poses.json: joint rotations that reach the goals of pose_goals.json, solved once, by inverse kinematics.

`python -m portrait_studio.pocket.people.pose_solver` solves all poses at once on the average body (half a minute). A
goal says where an elbow, a wrist or an ankle is, where palm and fingers point, how hips, spine and head are turned, and
which shape a hand has; joints move about anatomical axes within anatomical limits, and limbs keep out of the trunk and
the head.

Goals are written for the left side (outwards is +x) and mirrored for the right.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch

from ...portrait import disk
from .body import Body
from .keypoints import LEFT_HAND

GOALS = Path(__file__).with_name("pose_goals.json")
POSES = Path(__file__).with_name("poses.json")

FINGERS = {"thumb": 1, "index": 2, "middle": 3, "ring": 4, "little": 5}
SPINE = ("spine05", "spine04", "spine03", "spine02", "spine01")
NECK = {"neck01": 0.2, "neck02": 0.15, "neck03": 0.2, "head": 0.45}
MIRROR = torch.tensor([1.0, -1.0, -1.0])  # a rotation vector seen in the mirror x -> -x

# Degrees of freedom of an arm and of a leg, in order, with their limits in degrees against the reference pose (after
# "Joint Motion: Method of Measuring and Recording", American Academy of Orthopaedic Surgeons, 1965, rounded; the
# reference elbow is bent by 41 degrees, the knee by 8).
ARM = {
    **dict.fromkeys(("clavicle x", "clavicle y", "clavicle z"), (-22, 22)),
    **dict.fromkeys(("swing x", "swing y", "swing z"), (-150, 150)),
    "twist": (-75, 75),
    "elbow": (-38, 104),
    "pronation": (-80, 80),
    "wrist flexion": (-60, 60),
    "wrist deviation": (-22, 22),
}
LEG = {
    **dict.fromkeys(("swing x", "swing y", "swing z"), (-120, 120)),
    "twist": (-90, 90),
    "knee": (-7, 138),
    **dict.fromkeys(("foot x", "foot y", "foot z"), (-32, 32)),
}
# What a limb must keep out of: ellipsoids (bone, centre, half axes) of the average body in the reference pose, metres.
KEEP_OUT = (
    ("spine01", (0, -0.03, 0.36), (0.150, 0.105, 0.13)),
    ("spine03", (0, -0.035, 0.20), (0.135, 0.092, 0.16)),
    ("root", (0, -0.01, 0.0), (0.175, 0.110, 0.15)),
    ("head", (0, -0.045, 0.655), (0.080, 0.100, 0.112)),
    ("neck02", (0, -0.025, 0.52), (0.060, 0.065, 0.08)),
)
SIDES = (("left", "L", torch.ones(3)), ("right", "R", torch.tensor([-1.0, 1.0, 1.0])))
ARM_PLACES = {"elbow": ("lowerarm01", 0.5), "wrist": ("wrist", 1.0), "knuckle": ("finger3-1", 1.0)}
LEG_PLACES = {"knee": ("lowerleg01", 0.5), "ankle": ("foot", 1.0)}
PROBES = ("lowerarm01", "wrist", "finger1-3", "finger2-1", "finger2-3", "finger3-3", "finger5-1", "finger5-3")
EASE = torch.tensor([1.0, 1.0, 1.0, 0.05, 0.05, 0.05, 0.4, 0.05, 0.25, 0.5, 1.0])
"""How strongly each degree of freedom is drawn towards rest."""
THICKNESS = 0.022
"""Half the thickness of a hand or a forearm, metres."""


@dataclass(frozen=True)
class Limb:
    """The left arm's or leg's axes in the reference pose: hinge of elbow or knee, the two segments, hand or foot."""

    hinge: torch.Tensor
    upper: torch.Tensor
    lower: torch.Tensor
    end: torch.Tensor
    face: torch.Tensor
    """Where the palm looks, or up from the sole."""


@dataclass(frozen=True)
class Wanted:
    """One goal: a bone's head at a place, or a direction of a bone pointing somewhere, carried by another bone."""

    row: int
    bone: int
    carrier: int
    """-1 where the goal stands still in the room."""
    target: torch.Tensor
    weight: float
    way: torch.Tensor | None = None


class Solver:
    """Anatomy of the average body in the reference pose, and the goals to reach with it."""

    def __init__(self, body: Body, goals: dict):
        self.body, self.hands, self.limbs, self.goals = body, goals["hands"], goals["limbs"], goals["poses"]
        self.goals = {name: goal for name, goal in self.goals.items() if "mirror" not in goal}
        self.bones = {name: index for index, name in enumerate(body.bones)}
        self.rest = body.skeleton(torch.zeros(1, len(body.bones), 3))[1][0]
        self.tips = body.mesh().keypoints[0, LEFT_HAND][4::4]
        self.arm, self.leg = self._arm(), self._leg()
        self.twin = torch.tensor([self.bones[mirrored(name)] for name in body.bones])
        self.fixed = torch.zeros(len(self.goals), len(body.bones), 3)
        self.free = torch.zeros(len(self.goals), 2, 1, dtype=torch.bool)
        """[P, side, 1] where an arm may enter the trunk (a hand in a pocket)."""
        self.points: list[Wanted] = []
        self.ways: list[Wanted] = []
        for row, goal in enumerate(self.goals.values()):
            self._fix(row, goal)
            self._want(row, goal)

    def at(self, bone: str) -> torch.Tensor:
        """Where a bone's head is in the reference pose."""
        return self.rest[self.bones[bone]]

    def _arm(self) -> Limb:
        shoulder, elbow, wrist = self.at("upperarm01.L"), self.at("lowerarm01.L"), self.at("wrist.L")
        upper, lower = unit(elbow - shoulder), unit(wrist - elbow)
        end = unit(self.at("finger3-1.L") - wrist)
        across = self.at("finger2-1.L") - self.at("finger5-1.L")
        return Limb(unit(torch.linalg.cross(upper, lower)), upper, lower, end, unit(torch.linalg.cross(end, across)))

    def _leg(self) -> Limb:
        hip, knee, ankle = self.at("upperleg01.L"), self.at("lowerleg01.L"), self.at("foot.L")
        toes = (self.at("toe3-1.L") - ankle) * torch.tensor([1.0, 1.0, 0.0])
        hinge = unit(torch.linalg.cross(knee - hip, ankle - knee))
        return Limb(hinge, unit(knee - hip), unit(ankle - knee), unit(toes), torch.tensor([0.0, 0.0, 1.0]))

    def fingers(self, shape: dict) -> dict[str, torch.Tensor]:
        """Rotation vectors of the left hand's fingers: bends in degrees, 0 being a straight finger."""
        across = unit(self.at("finger5-1.L") - self.at("finger2-1.L"))
        turns = {}
        for finger, number in FINGERS.items():
            bends = shape[finger]
            points = [self.at(f"finger{number}-{joint}.L") for joint in (1, 2, 3)]
            last = self.tips[number - 1] - points[2]
            ways = [unit(points[1] - points[0]), unit(points[2] - points[1]), unit(last)]
            if finger == "thumb":
                hinge = unit(torch.linalg.cross(ways[0], ways[1]))
                turns[f"finger{number}-1.L"] = radians(bends[0]) * self.arm.end + radians(bends[1]) * hinge
                for joint, (before, after) in enumerate(pairwise(ways), 2):
                    turns[f"finger{number}-{joint}.L"] = (radians(bends[joint]) - bend(before, after, hinge)) * hinge
                continue
            ways = [unit(points[0] - self.at("wrist.L")), *ways]
            spread = radians(bends[3]) if len(bends) > 3 else 0.0
            for joint, (before, after) in enumerate(pairwise(ways), 1):
                hinge = unit(across - (across @ after) * after)
                turn = (radians(bends[joint - 1]) - bend(before, after, hinge)) * hinge
                turns[f"finger{number}-{joint}.L"] = turn + (spread * self.arm.face if joint == 1 else 0)
        return turns

    def pose(self, arms: torch.Tensor, legs: torch.Tensor) -> torch.Tensor:
        """Rotation vectors `[P, J, 3]` from degrees of freedom `[P, 2, 11]` and `[P, 2, 8]` (sides: left, right)."""
        pose = self.fixed.clone()
        for side, mark in enumerate("LR"):
            mirror = MIRROR if side else torch.ones(3)
            for bone, turn in {**self._arm_turns(arms[:, side]), **self._leg_turns(legs[:, side])}.items():
                pose[:, self.bones[f"{bone}.{mark}"]] = turn * mirror
        return pose

    def _arm_turns(self, freedom: torch.Tensor) -> dict[str, torch.Tensor]:
        arm, girdle, swing = self.arm, freedom[:, :3], freedom[:, 3:6]
        twist, elbow, pronation, flexion, deviation = freedom[:, 6:].unbind(1)
        swing = swing - (swing @ arm.upper)[:, None] * arm.upper
        sideways = torch.linalg.cross(arm.end, arm.face)
        wrist = flexion[:, None] * sideways + deviation[:, None] * arm.face
        return {
            "clavicle": 0.5 * girdle,
            "shoulder01": 0.5 * girdle,
            "upperarm01": compose(swing, 0.35 * twist[:, None] * arm.upper),
            "upperarm02": 0.65 * twist[:, None] * arm.upper,
            "lowerarm01": elbow[:, None] * arm.hinge,
            "lowerarm02": 0.6 * pronation[:, None] * arm.lower,
            "wrist": compose(0.4 * pronation[:, None] * arm.lower, wrist),
        }

    def _leg_turns(self, freedom: torch.Tensor) -> dict[str, torch.Tensor]:
        leg, swing, twist = self.leg, freedom[:, :3], freedom[:, 3:4]
        swing = swing - (swing @ leg.upper)[:, None] * leg.upper
        return {
            "upperleg01": compose(swing, 0.4 * twist * leg.upper),
            "upperleg02": 0.6 * twist * leg.upper,
            "lowerleg01": freedom[:, 4:5] * leg.hinge,
            "foot": freedom[:, 5:8],
        }

    def _fix(self, row: int, goal: dict) -> None:
        """What needs no solving: the trunk's and the head's turns, the gaze and the fingers."""
        turns = {"root": goal.get("hips", [0, 0, 0])}
        turns |= {bone: [angle / len(SPINE) for angle in goal.get("spine", [0, 0, 0])] for bone in SPINE}
        turns |= {bone: [angle * share for angle in goal.get("head", [0, 0, 0])] for bone, share in NECK.items()}
        turns |= dict.fromkeys(("eye.L", "eye.R"), goal.get("eyes", [0, 0, 0]))
        for bone, turn in turns.items():
            self.fixed[row, self.bones[bone]] = radians(turn)
        for name, mark, _ in SIDES:
            for bone, turn in self.fingers(self.hands[self.limb(goal, name, "arm").get("hand", "relaxed")]).items():
                self.fixed[row, self.bones[bone[:-1] + mark]] = turn * (MIRROR if mark == "R" else 1)

    def limb(self, goal: dict, side: str, kind: str) -> dict:
        """A limb's goal: the side's own or that of both, written out or by the name that several poses share."""
        found = goal.get(f"{side} {kind}", goal.get(f"{kind}s", "default"))
        return self.limbs[kind][found] if isinstance(found, str) else found

    def _want(self, row: int, goal: dict) -> None:
        for index, (side, mark, mirror) in enumerate(SIDES):
            self.free[row, index] = self.limb(goal, side, "arm").get("free", False)
            for kind, carrier, places, ways in (
                ("arm", "spine01", ARM_PLACES, {"fingers": ("wrist", self.arm.end), "palm": ("wrist", self.arm.face)}),
                ("leg", "world", LEG_PLACES, {"toes": ("foot", self.leg.end), "sole": ("foot", self.leg.face)}),
            ):
                limb = self.limb(goal, side, kind)
                on = self.bones.get(limb.get("on", carrier), -1)
                for name, (bone, weight) in places.items():
                    if name in limb:
                        target = torch.tensor(limb[name], dtype=torch.float32) * mirror
                        self.points.append(Wanted(row, self.bones[f"{bone}.{mark}"], on, target, weight))
                for name, (bone, way) in ways.items():
                    if name in limb:
                        target = unit(torch.tensor(limb[name], dtype=torch.float32)) * mirror
                        self.ways.append(Wanted(row, self.bones[f"{bone}.{mark}"], on, target, 1.0, way * mirror))

    def solve(self, steps: int = 500) -> tuple[torch.Tensor, torch.Tensor]:
        """Rotation vectors `[P, J, 3]` and how far (metres) each pose misses the worst of its places."""
        arms = torch.zeros(len(self.goals), 2, len(ARM), requires_grad=True)
        # Bent knees to start with: from straight ones the solver would not find its way to a cross-legged seat.
        legs = radians([-35.0, 0, 0, 0, 70, 0, 0, 0]).repeat(len(self.goals), 2, 1).requires_grad_(True)
        optimiser = torch.optim.Adam([arms, legs], lr=0.06)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps, 0.002)
        for _ in range(steps):
            optimiser.zero_grad()
            pose = self.pose(arms, legs)
            loss = self._loss(pose) + beyond(arms, ARM) + beyond(legs, LEG)
            loss = loss + sum((freedom.square() * EASE[: freedom.shape[-1]]).sum() for freedom in (arms, legs))
            loss.backward()
            optimiser.step()
            schedule.step()
        with torch.no_grad():
            pose = self.pose(arms, legs)
            return pose, self.miss(pose)

    def miss(self, pose: torch.Tensor) -> torch.Tensor:
        """How far (metres) each of the poses `[P, J, 3]` misses the worst of its places."""
        rotations, joints = self.body.skeleton(pose)
        miss = torch.zeros(len(pose))
        for row, distance in zip(self._rows(self.points), self._misses(rotations, joints), strict=True):
            miss[row] = torch.maximum(miss[row], distance)
        return miss

    def _rows(self, wanted: list[Wanted]) -> torch.Tensor:
        return torch.tensor([goal.row for goal in wanted])

    def _carried(self, wanted: list[Wanted], rotations: torch.Tensor) -> torch.Tensor:
        """Each goal's carrier's turn `[N, 3, 3]`."""
        carrier = torch.tensor([goal.carrier for goal in wanted])
        turn = rotations[self._rows(wanted), carrier.clamp_min(0)]
        return torch.where((carrier < 0)[:, None, None], torch.eye(3), turn)

    def _misses(self, rotations: torch.Tensor, joints: torch.Tensor) -> torch.Tensor:
        """Distance `[N]` of each place from where it should be, metres."""
        rows, wanted = self._rows(self.points), self.points
        bone = torch.tensor([goal.bone for goal in wanted])
        carrier = torch.tensor([goal.carrier for goal in wanted])
        target = torch.stack([goal.target for goal in wanted])
        base = torch.where((carrier < 0)[:, None], torch.zeros(3), self.rest[carrier.clamp_min(0)])
        moved = torch.where((carrier < 0)[:, None], torch.zeros(3), joints[rows, carrier.clamp_min(0)])
        target = moved + (self._carried(wanted, rotations) @ (target - base)[..., None])[..., 0]
        return (joints[rows, bone] - target + 1e-9).norm(dim=1)

    def _loss(self, pose: torch.Tensor) -> torch.Tensor:
        rotations, joints = self.body.skeleton(pose)
        weights = torch.tensor([goal.weight for goal in self.points])
        loss = (weights * (self._misses(rotations, joints) / 0.02).square()).sum()
        ways = torch.stack([goal.way for goal in self.ways if goal.way is not None])
        target = torch.stack([goal.target for goal in self.ways])
        bone = torch.tensor([goal.bone for goal in self.ways])
        now = rotations[self._rows(self.ways), bone] @ ways[..., None]
        wish = self._carried(self.ways, rotations) @ target[..., None]
        return loss + 12 * (1 - (now * wish).sum((1, 2))).sum() + 400 * self._inside(rotations, joints)

    def _inside(self, rotations: torch.Tensor, joints: torch.Tensor) -> torch.Tensor:
        """How deep forearms and hands are in the trunk and the head (squared, relative to their size)."""
        limbs = []
        for mark in "LR":
            at = {name: joints[:, self.bones[f"{name}.{mark}"]] for name in PROBES}
            limbs += [*at.values(), (at["lowerarm01"] + at["wrist"]) / 2, (at["lowerarm01"] + 3 * at["wrist"]) / 4]
        limbs = torch.stack(limbs, 1)
        free = self.free.repeat_interleave(limbs.shape[1] // 2, 1)
        limbs = torch.where(free, torch.full_like(limbs, 9.0), limbs)
        depth = torch.zeros(())
        for bone, centre, half in KEEP_OUT:
            index = self.bones[bone]
            local = (limbs - joints[:, index : index + 1]) @ rotations[:, index] + self.rest[index]
            reach = ((local - torch.tensor(centre)) / (torch.tensor(half) + THICKNESS)).norm(dim=-1)
            depth = depth + (1 - reach).clamp_min(0).square().sum()
        return depth


def beyond(freedom: torch.Tensor, limits: dict[str, tuple[float, float]]) -> torch.Tensor:
    """Penalty for leaving the limits (degrees) of a limb's degrees of freedom `[..., D]` (radians)."""
    low, high = radians(list(limits.values())).unbind(1)
    return 200 * ((low - freedom).clamp_min(0).square() + (freedom - high).clamp_min(0).square()).sum()


def compose(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """The rotation vector of `second` followed by `first`, `[P, 3]` (through unit quaternions)."""
    (a, u), (b, v) = (_quaternion(turn) for turn in (first, second))
    scalar = a * b - (u * v).sum(-1, keepdim=True)
    vector = a * v + b * u + torch.linalg.cross(u, v)
    sine = (vector.square().sum(-1, keepdim=True) + 1e-16).sqrt()
    return vector * (2 * torch.atan2(sine, scalar) / sine)


def _quaternion(turn: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    half = 0.5 * (turn.square().sum(-1, keepdim=True) + 1e-16).sqrt()
    return half.cos(), 0.5 * turn * half.sin() / half


def mirrored(bone: str) -> str:
    """The bone's name on the other side."""
    return bone[:-1] + {"L": "R", "R": "L"}[bone[-1]] if bone.endswith((".L", ".R")) else bone


def unit(vector: torch.Tensor) -> torch.Tensor:
    """The vector's direction."""
    return vector / vector.norm()


def radians(degrees: Sequence[float] | Sequence[tuple[float, float]] | float) -> torch.Tensor:
    """Degrees as a tensor of radians."""
    return torch.deg2rad(torch.tensor(degrees, dtype=torch.float32))


def bend(before: torch.Tensor, after: torch.Tensor, hinge: torch.Tensor) -> torch.Tensor:
    """The angle from one direction to the next about a hinge, radians."""
    return torch.atan2(torch.linalg.cross(before, after) @ hinge, before @ after)


def main() -> None:
    """Solve every goal and write poses.json (degrees, to a tenth)."""
    torch.set_num_threads(1)
    goals = json.loads(GOALS.read_text("utf-8"))
    solver = Solver(Body(), goals)
    rotations, miss = solver.solve()
    solved = dict(zip(solver.goals, zip(rotations, miss, strict=True), strict=True))
    poses = {}
    for name, goal in goals["poses"].items():
        original = goals["poses"][goal.get("mirror", name)]
        turns, distance = solved[goal.get("mirror", name)]
        camera = original["camera"]
        if "mirror" in goal:
            turns, camera = turns[solver.twin] * MIRROR, {**camera, "yaw": -camera["yaw"]}
        elif distance > 0.03:
            print(f"{name}: misses a place by {100 * distance:.1f} cm")
        degrees = [[round(angle, 1) + 0.0 for angle in turn] for turn in torch.rad2deg(turns).tolist()]
        turned = {bone: turn for bone, turn in zip(solver.body.bones, degrees, strict=True) if any(turn)}
        words = {key: goal[key] for key in ("framing", "view", "words", "title")}
        sides = {"left": "right", "right": "left"} if "mirror" in goal else {"left": "left", "right": "right"}
        arms = {sides[side]: solver.limb(original, side, "arm") for side in sides}
        free = {side: arm.get("words", "") for side, arm in arms.items() if not arm.get("together", False)}
        poses[name] = {**words, "camera": camera, "arms": free, "rotations": turned}
    document = {"bones": solver.body.bones, "poses": poses}
    disk.write(POSES, compact(document).encode())


def compact(document: dict) -> str:
    """JSON with one line a pose."""
    lines = ",\n".join(
        f"{json.dumps(name)}: {json.dumps(pose, ensure_ascii=False, separators=(',', ':'))}"
        for name, pose in document["poses"].items()
    )
    return f'{{"bones": {json.dumps(document["bones"])},\n"poses": {{\n{lines}\n}}}}\n'


if __name__ == "__main__":
    main()
