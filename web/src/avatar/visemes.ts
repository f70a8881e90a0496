/** The shapes that a mouth takes for a text, and when. */

/** A shape of the mouth. */
export interface Viseme {
  open: number;
  wide: number;
  round: number;
}

const SHAPES = {
  rest: { open: 0, wide: 0, round: 0 },
  closed: { open: 0, wide: -0.1, round: 0.05 },
  a: { open: 0.72, wide: 0.12, round: 0 },
  e: { open: 0.42, wide: 0.34, round: 0 },
  i: { open: 0.24, wide: 0.62, round: 0 },
  o: { open: 0.5, wide: 0, round: 0.72 },
  u: { open: 0.22, wide: 0, round: 1 },
  teeth: { open: 0.12, wide: 0.28, round: 0 },
  tip: { open: 0.26, wide: 0.16, round: 0 },
} satisfies Record<string, Viseme>;

type Shape = keyof typeof SHAPES;

/** Common Chinese characters by the vowel that shows most when they are said. */
const VOWELS: Partial<Record<Shape, string>> = {
  a: "啊大他她它那哪吗吧妈爸把八发法花话画家下加价呀压牙查茶差杀沙打拿马怕爬卡拉啦哈达答塔搭杂扎炸"
    + "爱来在再才菜开该海还带代待太台买卖白百拍快怪坏外乖帅晒"
    + "安看干感敢汉半办班般帮忙方放房防让上商伤长常场唱张章当党糖躺刚钢康抗样养阳央想向象相响强墙将讲奖江光广黄皇王望网忘往装状床双"
    + "三山但单谈弹坦难南男兰蓝战站展产善然反饭范晚完万玩弯关管官馆惯换欢环转传船川专算酸乱断短端暖软全权泉选宣圆元远员院原愿缘天田甜填点店电典年念面免棉片骗变便边编连脸练炼见间建件简检剪先线现县显鲜前钱千签眼演言验严烟",
  o: "我哦波破摸佛末莫墨博国过果火货活或获多朵说所锁索作做坐座左昨错落洛罗弱若拖脱躲托"
    + "好号豪高搞告老劳牢早造枣草操少绍烧找照招超朝到道倒刀套讨桃脑闹毛帽包报宝抱跑跳条调掉鸟聊料了药要摇小笑校效晓叫教交较觉桥巧表票飘秒妙庙"
    + "口狗够购候后厚走奏手受收守首寿周舟丑抽头投透偷豆斗楼漏都有又友右游由油优就九酒久旧秋求球休修秀牛流留六刘丢"
    + "中重种众终钟虫冲充从丛宗总送松公工共功宫空孔恐红洪弄龙隆东动懂冬通同痛童农用永勇涌兄雄穷",
  e: "的得德特这者着车彻社设舍色热乐了可课客科刻哥个各歌格和何河合喝呢么责则测册策饿鹅"
    + "给北被背备杯黑飞非费肥没美每妹梅内累泪类类贝配陪岁水谁睡最嘴罪会回灰汇对队推退腿为位未味围维喂鬼贵规归亏"
    + "人认任忍文问闻温稳们门本身深神什真镇阵分份粉怎很恨根跟肯春顺准论轮存村孙损吨"
    + "等灯能冷生声省升胜正政整成城程称风封丰梦朋碰更坑争增层曾仍",
  i: "一以已意亿义依医衣椅艺易你泥尼里理力利立丽李离历例其期气起器七奇骑齐及机级极记计几己鸡集急济西习息系洗喜细戏希第地弟底低敌题提体替比必笔鼻币皮批米密迷秘"
    + "是时事市师十使式实史石试世知之只支直职制治指纸至志质吃持迟尺日四思死似司丝字自子资紫次词此刺"
    + "也业夜叶爷些写谢鞋血解界接节结街姐姐切且铁贴别裂列烈灭"
    + "今金进近紧尽斤新心信欣亲琴林临您民品拼因音银引印经京精静景警境竞净清情请轻青晴星行形型性姓醒名明命平评病并冰听停庭定顶灵领另令应英影硬赢",
  u: "不部步布补普铺木目母亩父夫服福副府复妇富书数树输属术输主住助注猪竹祝出初除处楚如入土图突途读独度毒路录鹿陆绿古故谷骨股固苦库哭湖户护呼虎胡五无物武舞务误屋组足族租苏素速诉"
    + "去区取趣曲与于语雨鱼玉遇预育欲余女旅虑绿律局居举句具据巨须需许续徐学雪月越约决觉缺确云运允军群训寻",
};

const CHARACTERS = new Map<string, Shape>();
for (const [shape, characters] of Object.entries(VOWELS)) {
  for (const character of characters) CHARACTERS.set(character, shape as Shape);
}

const LETTERS: Record<string, Shape> = {
  a: "a", e: "e", i: "i", o: "o", u: "u", y: "i", w: "u",
  b: "closed", m: "closed", p: "closed", f: "teeth", v: "teeth",
  s: "teeth", z: "teeth", x: "teeth", c: "teeth", j: "teeth", q: "u",
  r: "tip", l: "tip", n: "tip", d: "tip", t: "tip", g: "tip", k: "tip", h: "tip",
};

/** A shape from a place in the text on, for some share of its time. */
export interface Beat {
  /** Index of the character, in UTF-16 units as speech engines count. */
  at: number;
  /** How long it takes beside the others; a Chinese character is 1. */
  weight: number;
  shape: Viseme;
}

/** The shapes for a text. */
export function beats(text: string): Beat[] {
  const found: Beat[] = [];
  let at = 0;
  for (const character of text) {
    found.push(...beatsOf(character, at));
    at += character.length;
  }
  return found;
}

function beatsOf(character: string, at: number): Beat[] {
  if (/\p{Script=Han}/u.test(character)) {
    const shape = CHARACTERS.get(character) ?? likely(character);
    return [
      { at, weight: 0.3, shape: SHAPES.tip },
      { at, weight: 0.7, shape: SHAPES[shape] },
    ];
  }
  const letter = character.normalize("NFD").charAt(0).toLowerCase();
  const known = LETTERS[letter];
  if (known) return [{ at, weight: 0.3, shape: SHAPES[known] }];
  if (/[\p{L}\p{N}]/u.test(character)) return [{ at, weight: 0.8, shape: SHAPES.e }];
  if (/[。！？.!?…；;\n]/u.test(character)) return [{ at, weight: 1.5, shape: SHAPES.rest }];
  if (/[，、,：:—]/u.test(character)) return [{ at, weight: 0.9, shape: SHAPES.rest }];
  return [{ at, weight: 0.16, shape: SHAPES.closed }];
}

/** A vowel for a character that is not in the table: always the same one. */
function likely(character: string): Shape {
  const order: Shape[] = ["a", "i", "e", "o", "a", "u", "i"];
  return order[(character.codePointAt(0) ?? 0) % order.length] ?? "a";
}

/** The mouth while a text is said: it runs by the clock and is set right by the engine's word boundaries. */
export class MouthTrack {
  readonly #beats: Beat[];
  readonly #whole: number;
  /** Weights said per second. */
  #pace: number;
  #from = 0;
  #since: number;

  /** A text that begins at `now` and takes about `seconds`. */
  constructor(text: string, seconds: number, now: number) {
    this.#beats = beats(text);
    this.#whole = this.#beats.reduce((sum, { weight }) => sum + weight, 0);
    this.#pace = this.#whole / Math.max(0.1, seconds);
    this.#since = now;
  }

  /** The engine is at this character now. */
  reached(character: number, now: number): void {
    let weight = 0;
    for (const beat of this.#beats) {
      if (beat.at >= character) break;
      weight += beat.weight;
    }
    const elapsed = now - this.#since;
    // What was said since the last boundary tells the pace of what comes.
    if (elapsed > 0.15 && weight > this.#from) {
      const measured = (weight - this.#from) / elapsed;
      this.#pace += (Math.min(Math.max(measured, this.#pace * 0.5), this.#pace * 2) - this.#pace) * 0.5;
    }
    this.#from = weight;
    this.#since = now;
  }

  /** The shape at this time; `undefined` when the text is over. */
  at(now: number): Viseme | undefined {
    const said = this.#from + (now - this.#since) * this.#pace;
    let passed = 0;
    for (const { weight, shape } of this.#beats) {
      passed += weight;
      if (said < passed) return shape;
    }
    return undefined;
  }

  /** How far the text is, in UTF-16 units. */
  position(now: number): number {
    const said = this.#from + (now - this.#since) * this.#pace;
    let passed = 0;
    for (const { at, weight } of this.#beats) {
      passed += weight;
      if (said < passed) return at;
    }
    return Number.POSITIVE_INFINITY;
  }
}
