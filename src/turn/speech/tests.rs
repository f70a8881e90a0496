use proptest::prelude::*;

use super::speech;

#[test]
fn what_is_said_is_what_a_person_would_read_aloud() {
    for (text, spoken) in [
        ("你好。", "你好。"),
        ("**你好**，__世界__！", "你好，世界！"),
        ("**重点：", "重点："),
        ("好的**", "好的"),
        ("*微笑*你好", "微笑你好"),
        ("_强调_文字", "强调文字"),
        ("~~删除~~", "删除"),
        ("# 标题", "标题"),
        ("### Title\n", "Title"),
        ("> 引用", "引用"),
        ("> > - 引用", "引用"),
        ("- 苹果\n- 梨\n", "苹果 梨"),
        ("* item", "item"),
        ("- [ ] task", "task"),
        ("1. 先洗米", "1. 先洗米"),
        ("运行 `cargo test` 吧", "运行 cargo test 吧"),
        ("```rust\n", ""),
        ("```rust\nlet a = 1;\n```", "let a = 1;"),
        ("| 名字 | 年龄 |", "名字 年龄"),
        ("|---|:---:|", ""),
        ("| 名字 | 年龄 |\n|---|---|\n| 张三 | 20 |", "名字 年龄 张三 20"),
        ("---", ""),
        ("[文档](https://a.b/c_(d))在这里", "文档在这里"),
        ("![图](a.png)看", "看"),
        ("[![图](a.png)](https://a.b)看", "看"),
        ("见[1]和[^2]。", "见[1]和。"),
        ("数组[i](很长)", "数组[i](很长)"),
        ("请看 https://a.b/c?d=e&f=g 。谢谢", "请看。谢谢"),
        ("请看（https://a.b/c）吧", "请看吧"),
        ("请看https://a.b/c，谢谢", "请看，谢谢"),
        ("See (https://a.b/c) or <https://d.e>.", "See or."),
        ("Go to www.a.com. Now", "Go to. Now"),
        ("写信给 a.b+c@d-e.org。", "写信给。"),
        ("@me at 5", "@me at 5"),
        ("你好😊👨‍👩‍👧‍👦👍🏻❤️！", "你好！"),
        ("Hi😊there", "Hi there"),
        ("1️⃣ 🇨🇳 好", "1 好"),
        ("😊", ""),
        ("……！？", ""),
        ("", ""),
        (" \n", ""),
        ("a\u{200B}b\u{202E}c\u{7}d\u{FEFF}", "abcd"),
        ("一\n二\t三  四", "一 二 三 四"),
        ("<b>粗</b><br/>x<span class=\"a\">y</span><!-- z -->", "粗 xy"),
        ("a < b > c", "a < b > c"),
        ("Vec<String>", "Vec<String>"),
        ("a &amp; b&nbsp;c &lt;d", "a & b c <d"),
        ("2*3=6, 2 * 3, 2**3", "2*3=6, 2 * 3, 2**3"),
        ("snake_case __init__", "snake_case init"),
        ("C# and C++ 50% -5 $3.14 1,000", "C# and C++ 50% -5 $3.14 1,000"),
        (r"\*不是\*强调 C:\path", "*不是*强调 C:\\path"),
        ("约翰·史密斯 23℃", "约翰·史密斯 23℃"),
        ("P(A|B)", "P(A|B)"),
        ("He said \"hi\".", "He said \"hi\"."),
    ] {
        assert_eq!(speech(text), spoken, "{text:?}");
    }
}

proptest! {
    #[test]
    fn any_text_becomes_clean_speech(text in "\\PC{0,80}|([*_`#>|~<!\\[\\]()\\-\\\\ \n你好a1😊.:/@]|https://a.b|<b>){0,40}") {
        let spoken = speech(&text);
        prop_assert!(!spoken.contains("  ") && spoken.trim() == spoken, "{:?}", spoken);
        prop_assert!(!spoken.contains(['😊', '\u{200D}', '\n', '`']) || text.contains('\\'), "{:?}", spoken);
        prop_assert!(spoken.is_empty() || spoken.chars().any(char::is_alphanumeric));
    }

    #[test]
    fn plain_words_are_said_as_they_are(text in "[你好我们a-z0-9]{1,20}([，。]?[你好a-z]{1,9}){0,5}") {
        prop_assert_eq!(speech(&text), text);
    }
}
