//! Policies that contradict themselves: what is listed is what they said when the list was made, and
//! whether a call is made is what they say at the call.

use mcpjungle_host::pipeline::{Denial, Validity};

use crate::component::Hostile;
use crate::figures::Figures;
use crate::{listing, rig_with};

/// Leaves `allow` at 16 or a denial at 64.
const DENY: &str = "(i32.store8 (i32.const 64) (i32.const 1)) (i32.const 64)";

#[tokio::test]
async fn what_a_listing_shows_may_still_be_denied_and_what_it_hides_allowed() {
    let shown = "(i32.store16 (i32.const 128) (i32.const 257)) ".to_owned() + &listing(128, 2, 0);
    let rig = rig_with(Hostile { authorize: DENY, authorize_items: &shown, ..Default::default() }, |_| {}).await;
    let listed = rig.authorize_items(&["time__x", "time__now"]).await.unwrap();
    assert_eq!((listed.visible, listed.holds), (vec![true, true], Validity::UntilChange));
    assert!(matches!(rig.authorize("time__x").await, Err(Denial::Hidden { .. })));

    let hidden = listing(128, 2, 0);
    let rig = rig_with(Hostile { authorize_items: &hidden, ..Default::default() }, |_| {}).await;
    assert_eq!(rig.authorize_items(&["time__x", "time__now"]).await.unwrap().visible, [false, false]);
    rig.authorize("time__x").await.unwrap();
}

#[tokio::test]
async fn each_call_is_decided_by_what_the_policy_says_then() {
    // Every other time, in one instance: its memory remembers.
    let hostile = Hostile {
        top_level: "(global $calls (mut i32) (i32.const 0))",
        authorize: "(block (result i32)
            (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
            (i32.store8 (i32.const 64) (i32.and (global.get $calls) (i32.const 1)))
            (i32.const 64))",
        ..Default::default()
    };
    let rig = rig_with(hostile, |_| {}).await;
    let figures = Figures::start();
    for _ in 0..100 {
        assert!(matches!(rig.authorize("time__x").await, Err(Denial::Hidden { .. })));
        rig.authorize("time__x").await.unwrap();
    }
    figures.print(200);
    assert_eq!(rig.failures("hostile"), 0, "to change one's mind is no failure");
}
