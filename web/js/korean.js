// What our nodes say, in Korean. The sentences are made in Python, where the command line reads them too; here each is
// recognised and said again. tests/canvas/test_korean.py holds the list against what Python says.
const ANY = "([-.\\d]+)"; // # in a pattern below: a number

const SENTENCES = [
  // Likeness.
  ["likeness #", "닮음 $1"],
  ["likeness not measured", "닮음을 재지 않음"],
  ["real photos of the person: # to #", "이 사람의 실제 사진: $1~$2"],
  ["by (\\S+): #", "$1 기준: $2"],
  ["Picture # is a copy of the training photo (.+)\\.", "그림 $1은(는) 학습 사진 $2의 복사본입니다."],
  ["No face was found in (.+); it passes through unchanged\\.", "$1에서 얼굴을 찾지 못해 그대로 내보냅니다."],
  ["No face was found in the reference photos; likeness is not measured\\.", "참조 사진에서 얼굴을 찾지 못해 닮음을 재지 않습니다."],
  ["No subject or reference photos are connected; likeness is not measured\\.", "인물이나 참조 사진이 연결되지 않아 닮음을 재지 않습니다."],
  ["No face was found in the reference photos; the picture after the stage is kept unchecked\\.", "참조 사진에서 얼굴을 찾지 못해 단계 후의 그림을 확인하지 않고 씁니다."],
  ["No subject or reference photos are connected; the picture after the stage is kept unchecked\\.", "인물이나 참조 사진이 연결되지 않아 단계 후의 그림을 확인하지 않고 씁니다."],
  ["No face was found in the picture; the pose map is black\\.", "그림에서 얼굴을 찾지 못해 포즈 맵이 검습니다."],
  ["No face was found in (.+)\\.", "$1에서 얼굴을 찾지 못했습니다."],
  ["All pictures hold the head alike \\(yaw varies by # degrees, in the photos by #\\)\\.", "그림마다 고개가 거의 같습니다(좌우 각도의 편차 $1도, 사진에서는 $2도)."],
  ["All pictures have one expression\\.", "그림마다 표정이 같습니다."],
  // Identity Guard.
  ["The stage kept the person \\(likeness went from # to #, # may be lost\\): its picture is kept\\.", "단계가 그 사람을 지켰습니다(닮음 $1에서 $2, 허용 손실 $3). 단계 후의 그림을 씁니다."],
  ["The stage lost the person \\(likeness went from # to #\\): (\\d+)% of its face is kept, which gives #\\.", "단계가 그 사람을 잃었습니다(닮음 $1에서 $2). 단계 후의 얼굴을 $3% 남겨 닮음이 $4입니다."],
  ["The stage lost the person \\(likeness went from # to #\\), and no blend keeps them: the picture before it is kept\\.", "단계가 그 사람을 잃었고(닮음 $1에서 $2) 섞어도 지킬 수 없습니다. 단계 전의 그림을 씁니다."],
  ["No face was found before this stage, so there is nothing to hold it to: the picture after it is kept\\.", "단계 전에 얼굴이 없어 견줄 것이 없습니다. 단계 후의 그림을 씁니다."],
  ["No face was found after this stage: the picture before it is kept \\(likeness #\\)\\.", "단계 후에 얼굴이 없습니다. 단계 전의 그림을 씁니다(닮음 $1)."],
  // Faces.
  ["# faces", "얼굴 $1개"],
  ["# of # faces", "얼굴 $2개 중 $1개"],
  ["# faces, # blemishes healed", "얼굴 $1개, 잡티 $2개 지움"],
  ["# faces, # blemishes healed, likeness to before #", "얼굴 $1개, 잡티 $2개 지움, 보정 전과의 닮음 $3"],
  ["# faces, # blemishes healed, likeness to before #, to the person # before, # after", "얼굴 $1개, 잡티 $2개 지움, 보정 전과의 닮음 $3, 인물과의 닮음 $4에서 $5로"],
  ["nothing to do", "할 일이 없습니다"],
  ["# faces restored by (\\S+)", "얼굴 $1개를 $2(으)로 복원"],
  ["# faces restored by (\\S+), likeness to before #", "얼굴 $1개를 $2(으)로 복원, 복원 전과의 닮음 $3"],
  ["# faces restored by (\\S+), likeness to before #, to the person # before, # after", "얼굴 $1개를 $2(으)로 복원, 복원 전과의 닮음 $3, 인물과의 닮음 $4에서 $5로"],
  ["(\\S+) is for non-commercial use \\(licence: (.+)\\)\\.", "$1은(는) 비상업적으로만 쓸 수 있습니다(라이선스: $2)."],
  ["(\\S+) has parts for non-commercial use \\(licence: (.+)\\)\\.", "$1에는 비상업적으로만 쓸 수 있는 부분이 있습니다(라이선스: $2)."],
  ["(\\S+) says nothing of commercial use \\(licence: (.+)\\)\\.", "$1은(는) 상업적 이용에 대한 말이 없습니다(라이선스: $2)."],
  ["A face is cut at # px and the network works at #: it comes back softer; lower the blend, or restore before the picture is enlarged\\.", "얼굴을 $1픽셀로 잘랐는데 네트워크는 $2픽셀로 일하므로 더 흐려집니다. 섞기를 낮추거나 그림을 키우기 전에 복원하세요."],
  ["The person is less alike after it \\(# to #\\); lower the blend, or put Identity Guard behind it\\.", "복원 후에 그 사람과 덜 닮았습니다($1에서 $2). 섞기를 낮추거나 닮음 지킴이를 뒤에 두세요."],
  // Photos.
  ["# photos", "사진 $1장"],
  ["# of # photos accepted, # of them held out", "사진 $2장 중 $1장 통과, 그중 $3장은 학습에서 빼 둠"],
  ["no face found", "얼굴이 없음"],
  ["face too small: # px, # needed", "얼굴이 너무 작음: $1px, $2px 필요"],
  ["is on its side \\(# degrees\\); rotate the photo", "옆으로 누움($1도). 사진을 돌리세요"],
  ["face too dark", "얼굴이 너무 어두움"],
  ["face over-exposed: (\\d+)% is pure white", "얼굴이 너무 밝음: $1%가 완전히 흼"],
  ["face blurred", "얼굴이 흐림"],
  ["another person \\(likeness #, # needed\\)", "다른 사람(닮음 $1, $2 필요)"],
  ["turned away to the left \\(# degrees, at most #\\)", "왼쪽으로 돌림($1도, $2도까지)"],
  ["turned away to the right \\(# degrees, at most #\\)", "오른쪽으로 돌림($1도, $2도까지)"],
  ["nearly the same as (.+)", "$1와(과) 거의 같음"],
  ["add photos: # accepted, # are needed at least, 10 to 20 are better", "사진을 더하세요: $1장 통과, 적어도 $2장, 10~20장이면 더 좋음"],
  ["add a frontal view, looking into the camera", "카메라를 보는 정면 사진을 더하세요"],
  ["add a view turned half to the left of the picture", "그림의 왼쪽으로 반쯤 돌린 사진을 더하세요"],
  ["add a view turned half to the right of the picture", "그림의 오른쪽으로 반쯤 돌린 사진을 더하세요"],
  ["add a left profile, the nose pointing to the left of the picture", "코가 그림의 왼쪽을 향한 옆얼굴을 더하세요"],
  ["add a right profile, the nose pointing to the right of the picture", "코가 그림의 오른쪽을 향한 옆얼굴을 더하세요"],
  // Training.
  ["likeness before training #", "학습 전 닮음 $1"],
  ["best likeness so far # at step # \\(before training #\\)", "지금까지 가장 좋은 닮음 $1 (스텝 $2, 학습 전 $3)"],
  ["Looking at (?:photo|the photos:) # of #", "사진 살펴보는 중: $2장 중 $1장"],
  ["Preparing the model", "모델 준비 중"],
  ["Drawing # pictures of the class(.*)", "분류 그림 $1장을 그리는 중$2"],
  ["Judging the start: drawing # portraits(.*)", "학습 전 상태를 재려고 인물 사진 $1장을 그리는 중$2"],
  ["Judging what was learnt so far: drawing # portraits(.*)", "지금까지 배운 것을 재려고 인물 사진 $1장을 그리는 중$2"],
  ["Judging a fusion of the best checkpoints: drawing # portraits(.*)", "가장 좋은 체크포인트들을 합친 것을 재려고 인물 사진 $1장을 그리는 중$2"],
  ["Judging the finalists: drawing # portraits(.*)", "가장 좋은 둘을 가리려고 인물 사진 $1장을 더 그리는 중$2"],
  ["Judging what the reward has done: drawing # portraits(.*)", "보상이 한 일을 재려고 인물 사진 $1장을 그리는 중$2"],
  ["Tuning by reward(.*)", "보상으로 다듬는 중$1"],
  ["Training: step # of #, about # s left", "학습 중: 스텝 $1/$2, 약 $3초 남음"],
  ["Training: step # of #, about # min left", "학습 중: 스텝 $1/$2, 약 $3분 남음"],
  ["Training: step # of #, about # h left", "학습 중: 스텝 $1/$2, 약 $3시간 남음"],
  ["Training: step # of #", "학습 중: 스텝 $1/$2"],
  ["(.+): checkpoint of step #, likeness # \\(before #\\)", "$1: 스텝 $2의 체크포인트, 닮음 $3 (학습 전 $4)"],
  ["(.+): checkpoint of step #, likeness # \\(before #\\); real photos # to #", "$1: 스텝 $2의 체크포인트, 닮음 $3 (학습 전 $4), 실제 사진 $5~$6"],
  ["(.+): fusion of steps ([\\d, ]+), likeness # \\(before #\\)", "$1: 스텝 $2를 합친 것, 닮음 $3 (학습 전 $4)"],
  ["(.+): fusion of steps ([\\d, ]+), likeness # \\(before #\\); real photos # to #", "$1: 스텝 $2를 합친 것, 닮음 $3 (학습 전 $4), 실제 사진 $5~$6"],
  ["tuned by reward for # steps", "보상으로 $1스텝 다듬음"],
  ["The tuning by reward is left out: by (\\S+) the likeness went from # to #\\.", "보상으로 다듬은 것은 쓰지 않습니다. $1 기준으로 닮음이 $2에서 $3이(가) 되었습니다."],
  ["The tuning by reward is left out: (.+)\\.", "보상으로 다듬지 않았습니다: $1."],
  ["The tuning by reward broke off at step #: the reward or its gradient is no number\\. The LoRA from before it is kept\\.", "보상으로 다듬기가 $1스텝에서 멈췄습니다. 보상이나 기울기가 수가 아닙니다. 그 전의 LoRA를 씁니다."],
  ["There is too little memory for the tuning by reward\\. The LoRA from before it is kept\\.", "보상으로 다듬기에는 메모리가 모자랍니다. 그 전의 LoRA를 씁니다."],
  ["Garment and tone words are followed less than before; train fewer steps\\.", "옷과 색조의 단어를 전보다 덜 따릅니다. 스텝을 줄이세요."],
].map(([pattern, korean]) => [new RegExp(`^${pattern.replaceAll("#", ANY)}$`), korean]);

// A line of a node in Korean; one that is not known stays as it is. What it is about may come first.
export function inKorean(line) {
  const found = SENTENCES.find(([pattern]) => pattern.test(line));
  if (found) return line.replace(...found);
  const [, about, rest] = /^(.+?): (.+)$/.exec(line) ?? [];
  if (!rest || inKorean(rest) === rest) return line;
  return `${about.replace(/^Picture (\d+)$/, "그림 $1")}: ${inKorean(rest)}`;
}
