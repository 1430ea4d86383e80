//! `list prompts`, `get prompt`, `enable prompt`, `disable prompt`.

use crate::support::{Api, Person};

#[test]
fn listing_prompts_shows_whether_each_is_enabled() {
    let prompts = r#"[{"name":"huggingface__Model Details","enabled":true,"description":"All about a model","arguments":[]},
        {"name":"huggingface__Old","enabled":false,"description":"","arguments":null}]"#;
    let api = Api::answering(&[("GET /prompts?server=huggingface", 200, prompts), ("GET /prompts", 200, "[]")]);
    let person = Person::of(&api);
    insta::assert_snapshot!(person.run(&["list", "prompts", "--server", "huggingface"]), @"
    exit: 0
    --- stdout
    1. huggingface__Model Details  [ENABLED]
    All about a model

    2. huggingface__Old  [DISABLED]


    Run 'get prompt <prompt name>' to retrieve a prompt template
    ");
    insta::assert_snapshot!(person.run(&["list", "prompts"]), @"
    exit: 0
    --- stdout
    No prompts found
    ");
}

#[test]
fn getting_a_prompt_fills_it_in() {
    let rendered = r#"{"description":"All about a model","messages":[
        {"role":"user","content":{"type":"text","text":"Tell me of gpt-oss"}},
        {"role":"assistant","content":{"type":"text","text":"Gladly"}}]}"#;
    let api = Api::answering(&[("POST /prompts/render", 200, rendered)]);
    let person = Person::of(&api);
    let name = "huggingface__Model Details";
    insta::assert_snapshot!(person.run(&["get", "prompt", name, "--arg", "model_id=openai/gpt-oss-120b", "--arg", "lang=de,tone=dry"]), @r#"
    exit: 0
    --- stdout
    Prompt: huggingface__Model Details
    Description: All about a model

    Generated Messages:
    ===================================================

    Message 1 (user):
    -------------------------------
    Content: {
      "type": "text",
      "text": "Tell me of gpt-oss"
    }

    Message 2 (assistant):
    -------------------------------
    Content: {
      "type": "text",
      "text": "Gladly"
    }
    "#);
    assert_eq!(
        api.requests(),
        [
            r#"POST /prompts/render {"arguments":{"lang":"de","model_id":"openai/gpt-oss-120b","tone":"dry"},"name":"huggingface__Model Details"}"#
        ]
    );
    insta::assert_snapshot!(person.run(&["get", "prompt", name, "--arg", "model_id"]), @"
    exit: 1
    --- stderr
    model_id must be formatted as key=value
    ");
}

#[test]
fn enabling_and_disabling_prompts_names_what_was_changed() {
    let api = Api::answering(&[
        ("POST /prompts/disable?entity=huggingface__Model+Details", 200, r#"["huggingface__Model Details"]"#),
        ("POST /prompts/enable?entity=huggingface", 200, r#"["huggingface__A","huggingface__B"]"#),
    ]);
    let person = Person::of(&api);
    insta::assert_snapshot!(person.run(&["disable", "prompt", "huggingface__Model Details"]), @"
    exit: 0
    --- stdout
    MCP prompt 'huggingface__Model Details' disabled successfully!
    ");
    insta::assert_snapshot!(person.run(&["enable", "prompt", "huggingface"]), @"
    exit: 0
    --- stdout
    Following MCP prompts have been enabled successfully:
    - huggingface__A
    - huggingface__B
    ");
}
