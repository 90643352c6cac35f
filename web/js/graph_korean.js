// The titles of a graph of ours and the labels on its blocks, in the artist's language. The frontend translates what a node
// class is called, not what a graph calls its nodes, so a graph is translated as it is opened. What the artist wrote stays,
// and an English canvas turns a graph that was saved in Korean back.
import { app } from "../../../scripts/app.js";
import { korean } from "./page.js";

// "Likeness: tone" is "Likeness" and "tone", each by itself.
const TITLES = {
  "Accepted photos": "통과한 사진", "After": "학습 후", "As they are": "그대로", "Before": "학습 전", "Both faces": "두 얼굴",
  "Checkpoint": "체크포인트", "Enlarged": "키운 그림", "Face detail": "얼굴 디테일", "Face detail again": "얼굴 디테일 한 번 더",
  "Face on the left": "왼쪽 얼굴", "Face on the right": "오른쪽 얼굴", "Faces and hands": "얼굴과 손",
  "Faces and hands again": "얼굴과 손 한 번 더", "First pass: the face": "첫 단계: 얼굴", "Left face": "왼쪽의 얼굴",
  "Likeness": "닮음", "Likeness on the left": "왼쪽 닮음", "Likeness on the right": "오른쪽 닮음", "Note": "메모",
  "On the left": "왼쪽", "On the right": "오른쪽", "Photos of the person": "인물 사진", "Portrait": "포트레이트",
  "Portrait to enlarge": "키울 포트레이트", "Pose": "포즈", "Prompt": "프롬프트", "Restyled": "톤을 입힌 그림",
  "Save the contact sheet": "밀착 인화 저장", "Scene": "장면", "Second pass: the ring": "둘째 단계: 얼굴 둘레", "Seed": "시드",
  "Swap the face": "얼굴 바꾸기", "Swapped": "바꾼 그림", "Template photo": "템플릿 사진", "Text to image": "그림 생성",
  "The person in the template": "템플릿에 들어갈 인물", "The template": "템플릿", "Tone": "톤", "Train": "학습", "Upscale": "업스케일",
  "Which photos will do": "쓸 수 있는 사진", "Who": "누구", "Your photos": "내 사진",
  // Inside the blocks.
  "And prompt": "프롬프트까지", "And scene": "장면까지", "As SEGS": "SEGS로", "Both": "둘 다", "CFG": "CFG 값",
  "Canny ControlNet": "Canny 컨트롤넷", "Canvas": "캔버스", "Curves": "곡선", "Cut into tiles": "타일로 자르기", "Cut it out": "잘라 내기",
  "Cut the face out": "얼굴 잘라 내기", "Cut the faces out": "얼굴들 잘라 내기", "Cut the new face out": "새 얼굴 잘라 내기",
  "Decode": "디코드", "Detail size": "디테일 크기", "Detail steps": "디테일 스텝", "Edges": "윤곽선", "Encode": "인코드",
  "Enlarge x4": "4배 키우기", "Face detector": "얼굴 검출기", "Face prompt": "얼굴 프롬프트", "Face, lips": "얼굴, 입술",
  "Face, prompt": "얼굴, 프롬프트", "Face, ring, lips": "얼굴, 둘레, 입술", "Find the pose": "포즈 찾기", "Grown": "넓힌 것",
  "Hand detail": "손 디테일", "Hand detector (Subpack)": "손 검출기 (Subpack)", "Hand prompt": "손 프롬프트", "Hand, prompt": "손, 프롬프트",
  "Hold every tile": "타일마다 붙들기", "Hold the edges": "윤곽선 붙들기", "Hold the head": "머리 붙들기", "Hold the picture": "그림 붙들기",
  "Hold the pose": "포즈 붙들기", "hold the pose": "포즈를 붙들기", "How the head is held": "머리를 붙드는 법",
  "How the heads are held": "머리들을 붙드는 법", "Its box": "그 상자", "Its ring": "그 둘레", "Its size before": "전의 크기", "Kit": "키트",
  "Model family": "모델 계열", "Model, words": "모델, 단어", "Negative": "네거티브", "Negative (tone)": "네거티브 (톤)",
  "Negative prompt": "네거티브 프롬프트", "Only the face": "얼굴만", "Only the ring": "둘레만", "Only this face": "이 얼굴만",
  "Open Kit": "키트 열기", "OpenPose ControlNet": "OpenPose 컨트롤넷", "Paste back": "되붙이기", "Paste, colour held": "색을 맞춰 붙이기",
  "Photo report": "사진 리포트", "Portrait of the subject": "인물의 포트레이트", "Pose from the photo": "사진에서 온 포즈", "Pose map": "포즈 맵",
  "Pose of the photo": "사진의 포즈", "Pose preset": "포즈 프리셋", "Positive": "긍정",
  "Positive (a face of nobody in the list)": "긍정 (목록에 없는 얼굴)", "Positive (face)": "긍정 (얼굴)", "Positive (hands)": "긍정 (손)",
  "Positive (tone)": "긍정 (톤)", "Reference photo": "참조 사진", "Ring, lips": "둘레, 입술", "Sample": "샘플링",
  "Sample every tile": "타일마다 샘플링", "Sample the detail": "디테일 샘플링", "Sample the face": "얼굴 샘플링", "Sample the ring": "둘레 샘플링",
  "Sample the tone": "톤 샘플링", "Save": "저장", "Scene, for both": "둘을 위한 장면", "Shrunk: eyes and lips": "줄인 것: 눈과 입술",
  "Subject (LoRA)": "인물 (LoRA)", "Subject, pose": "인물, 포즈", "Subject, pose, look, prompt": "인물, 포즈, 외모, 프롬프트",
  "Subject, prompt": "인물, 프롬프트", "subject (LoRA)": "그 인물 (LoRA)", "The best photo": "가장 좋은 사진",
  "The checkpoint's size": "체크포인트의 크기", "The face": "그 얼굴", "The ring": "얼굴 둘레", "The same face again": "같은 얼굴 다시",
  "Tile ControlNet": "타일 컨트롤넷", "Tone, subject": "톤, 인물", "Upscaler x4": "4배 업스케일러", "What it holds to": "무엇을 따를지",
  "What the tiles hold to": "타일이 무엇을 따를지", "Which face": "어느 얼굴", "Which pose": "어느 포즈", "Which words": "어느 단어",
  "Whose face is changed": "누구의 얼굴을 바꿀지", "after": "후", "before": "전", "face detail": "얼굴 디테일 단계",
  "faces and hands": "얼굴과 손 단계", "first pass": "첫 단계", "graded": "톤 보정", "left": "왼쪽 사람", "left face": "왼쪽 얼굴 단계",
  "restyled": "톤 입힌 뒤", "right": "오른쪽 사람", "right face": "오른쪽 얼굴 단계", "second pass": "둘째 단계", "swap": "바꾼 뒤",
  "text to image": "그림 생성 단계", "tone": "톤 단계", "upscale": "업스케일 단계", "photos": "사진", "pose": "그 포즈", "positive": "긍정 조건",
  "prompt": "그 프롬프트", "where": "자리",
};
const LABELS = {
  "accepted": "통과한 사진", "by": "배율", "canny ControlNet": "Canny 컨트롤넷", "canny strength": "Canny 강도", "cfg": "CFG",
  "checkpoint": "체크포인트", "class word": "분류 단어", "clip": "CLIP", "denoise": "디노이즈", "detail size": "디테일 크기",
  "detail steps": "디테일 스텝", "face": "얼굴", "face denoise": "얼굴 디노이즈", "faces": "얼굴들", "family": "계열", "from photo": "사진에서",
  "hand denoise": "손 디노이즈", "head strength": "머리 강도", "height": "높이", "image": "이미지", "image 2": "이미지 2", "kit": "키트",
  "left": "왼쪽", "look": "외모", "megapixels": "메가픽셀", "model": "모델", "name": "이름", "names": "사진 이름", "negative": "네거티브",
  "OpenPose ControlNet": "OpenPose 컨트롤넷", "photo": "사진 한 장", "photos": "사진", "portraits": "장수", "pose": "포즈", "pose strength": "포즈 강도",
  "preset": "프리셋", "prompt": "프롬프트", "replace": "바꾸기", "right": "오른쪽", "same person": "같은 사람", "save as": "저장 이름",
  "scene": "장면", "seed": "시드", "size": "크기", "stage": "단계", "steps": "스텝", "strength": "강도", "subject": "인물", "template": "템플릿",
  "tile ControlNet": "타일 컨트롤넷", "tile size": "타일 크기", "tile strength": "타일 강도", "tone": "톤", "trigger": "트리거",
  "upscaler": "업스케일러", "width": "너비", "words": "단어", "Seed": "시드 값", "Template photo: folder": "템플릿 사진: 폴더",
  "On the left: folder of photos": "왼쪽: 사진 폴더", "On the right: folder of photos": "오른쪽: 사진 폴더",
  "On the left: subject": "왼쪽: 인물", "On the right: subject": "오른쪽: 인물", "On the left: prompt": "왼쪽: 프롬프트",
  "On the right: prompt": "오른쪽: 프롬프트", "Scene, for both": "둘을 위한 장면", "Prompt": "프롬프트 글",
};

const turned = (words) => Object.fromEntries(Object.entries(words).map(([english, translated]) => [translated, english]));
export const ENGLISH = { titles: turned(TITLES), labels: turned(LABELS) };
export const KOREAN = { titles: TITLES, labels: LABELS };

function titled(titles, title) {
  if (typeof title !== "string") return title;
  if (titles[title]) return titles[title];
  const parts = title.split(": ");
  return parts.every((part) => titles[part]) ? parts.map((part) => titles[part]).join(": ") : title;
}

function label(labels, slot) {
  const found = labels[slot.label ?? slot.name];
  if (found === slot.name) delete slot.label;
  else if (found) slot.label = found;
}

// Change a graph, as it is saved, in place.
export function translate(graph, words) {
  const blocks = graph.definitions?.subgraphs ?? [];
  const names = new Set(blocks.map((block) => block.id));
  for (const node of [...graph.nodes, ...blocks.flatMap((block) => block.nodes)]) {
    if (node.title) node.title = titled(words.titles, node.title);
    if (names.has(node.type)) for (const slot of [...(node.inputs ?? []), ...(node.outputs ?? [])]) label(words.labels, slot);
    else for (const slot of node.inputs ?? []) if (slot.label) label(words.labels, slot);
  }
  for (const block of blocks) {
    block.name = titled(words.titles, block.name);
    for (const slot of [...(block.inputs ?? []), ...(block.outputs ?? [])]) label(words.labels, slot);
  }
  return graph;
}

const name = "PortraitStudio.GraphKorean";
// A second copy of the pack brings a second copy of this file.
if (!app.extensions.some((extension) => extension.name === name)) app.registerExtension({
  name,
  beforeConfigureGraph(graph) {
    if (graph?.extra?.portrait_studio) translate(graph, korean() ? KOREAN : ENGLISH);
  },
});
