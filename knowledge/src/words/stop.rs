//! Words that say nothing about what a text is about.

use std::{collections::HashSet, sync::LazyLock};

const ENGLISH: &str = "a an the and or but if of at by for with about to from in on into as is am are was were be been \
    being do does did doing have has had having can could will would shall should may might must i you he \
    she it we they me him her us them my your his its our their this that these those there here so than \
    then too very just also please tell know what which who whom whose when where why how not no yes \
    don doesn didn isn aren wasn weren won ve ll re s t m d let ok hello hi hey any some";

const CHINESE: &str = "的 了 吗 呢 吧 啊 呀 嘛 哦 嗯 是 在 有 和 与 及 或 就 都 也 还 又 很 太 把 被 给 对 向 从 到 于 以 \
    而 且 但 因 所以 因为 如果 那么 这 那 这个 那个 这里 那里 这些 那些 我 你 您 他 她 它 我们 你们 您们 他们 她们 它们 咱们 \
    请 请问 一下 告诉 知道 想 要 会 能 可以 能够 应该 得 着 过 地 个 们 什么 怎么 怎样 如何 为什么 谁 哪 哪里 哪儿 哪些 哪个 \
    几 多少 不 没 没有 好 你好 您好 喂 一个 一些 现在 上 下 里 中 吧 呗 嘞 之 其 并 等 让 说 问 想问 想知道 有没有 是不是 能不能 可不可以";

static STOP: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| ENGLISH.split_whitespace().chain(CHINESE.split_whitespace()).collect());

/// Whether a word stands in every kind of text.
pub(crate) fn is_stop(word: &str) -> bool {
    STOP.contains(word)
}
