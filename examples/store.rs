//! A store: users, a cart, a dashboard, all by path. Notice that callbacks hear of what is below
//! their path too, that a derived value is exact as soon as a write has returned, and that what is
//! no longer read wakes nobody.
//!
//! Mended: in the original unsubscribing did nothing, bubbling could not be stopped, the payload
//! and the current path were lost on the way up, derived values over missing ones crashed, and
//! a tracked callback kept listening to what it had read before.

use isobar::store::{Event, IfMissing, Sources, Store, StoreError, Value};
use isobar::{Graph, effect};
use serde_json::json;

fn main() {
    story(|line| println!("{line}"));
}

pub(crate) fn story(say: fn(String)) {
    let told = Graph::new().enter(|| {
        users(say)?;
        configuration(say)?;
        callbacks(say)?;
        derived(say)?;
        dashboard(say)?;
        switching(say)
    });
    told.expect("all paths are paths, and all values are of their types");
}

fn users(say: fn(String)) -> Result<(), StoreError> {
    let store = Store::new();
    let count = move |event: &Event<'_>| {
        let users = event.get::<Value>("/users").ok().flatten();
        let users = users.as_ref().and_then(Value::as_object).map_or(0, |users| users.len());
        say(format!("users: {users}"));
    };
    let counted = store.subscribe("/users", count)?;
    let admins = store.derive_many("/admins", ["/users/*"], |users| {
        let is_admin = |user: &Value| user["role"] == "admin";
        Ok(Some(users.all()?.iter().filter(|(_, user)| is_admin(user)).count()))
    })?;
    store.at("/users/1").set(json!({ "name": "Alice", "role": "admin" }))?;
    store.at("/users/2").set(json!({ "name": "Bob", "role": "user" }))?;
    let first: Value = store.at("/users/1").to_value()?.unwrap_or_default();
    say(format!("user 1 is {} ({})", first["name"], first["role"]));
    say(format!("admins: {}", store.at("/admins").get_or(0)?));
    store.at("/users/3").set(json!({ "name": "Carol", "role": "admin" }))?;
    say(format!("admins: {}", store.at("/admins").get_or(0)?));
    drop((counted, admins));
    Ok(())
}

fn configuration(say: fn(String)) -> Result<(), StoreError> {
    let store = Store::new();
    store.at("/config/theme").set("dark")?;
    store.at("/config/colors/primary").set("#336699")?;
    store.at("/config/colors/secondary").set("#993366")?;
    say(format!("config: {}", store.at("/config").to_value()?.unwrap_or_default()));
    let volume = store.at("/config/volume");
    say(format!("volume {}, written: {}", volume.get_or(50)?, volume.contains()?));
    say(format!("volume {}, written: {}", volume.get_or_insert(50)?, volume.contains()?));
    let user = store.at("/user");
    let set = |value: Value| {
        let same_id = |old: &Value, new: &Value| old["id"] == new["id"];
        user.write().equality(same_id).set(value)
    };
    let answers = [
        set(json!({ "id": 1, "at": 1 }))?,
        set(json!({ "id": 1, "at": 2 }))?,
        set(json!({ "id": 2, "at": 3 }))?,
    ];
    say(format!("written: {answers:?}, now {}", user.to_value()?.unwrap_or_default()));
    Ok(())
}

fn callbacks(say: fn(String)) -> Result<(), StoreError> {
    let store = Store::new();
    let names = store.subscribe("/users/*/name", move |event: &Event<'_>| {
        let word = |value: Option<&Value>| value.map_or("none".into(), Value::to_string);
        let (old, new) = (word(event.previous()), word(event.value()));
        say(format!("user {}: {old} -> {new}", event.matches()[0]));
    })?;
    store.at("/users/1/name").set("A")?;
    store.at("/users/1/name").set("B")?;
    drop(names);

    store.register("basic", move |event: &Event<'_>| say(format!("basic {}", event.path())))?;
    store.register("stats", move |_: &Event<'_>| say("stats".into()))?;
    let basic = store.subscribe_by_name("/events", "basic", IfMissing::Refuse)?;
    let stats = store.subscribe_by_name("/events", "stats", IfMissing::Refuse)?;
    store.at("/events/1").set(1)?;
    store.replace_callback("stats", move |_: &Event<'_>| say("new stats".into()));
    basic.unsubscribe();
    store.at("/events/2").set(2)?;
    drop(stats);

    let above = store.subscribe("/a", move |_: &Event<'_>| say("/a hears".into()))?;
    let stops = store.subscribe("/a/b", move |event: &Event<'_>| {
        say(format!("/a/b hears, {}", event.payload::<&str>().unwrap_or(&"for no reason")));
        event.stop_bubbling();
    })?;
    store.at("/a/b").write().payload("because").set(1)?;
    drop((above, stops));
    Ok(())
}

fn derived(say: fn(String)) -> Result<(), StoreError> {
    let store = Store::new();
    let doubled = store.derive("/doubled", "/counter", |n: Option<i64>| Some(n? * 2))?;
    let squared = store.derive("/squared", "/counter", |n: Option<i64>| Some(n? * n?))?;
    store.at("/counter").set(21)?;
    say(format!("doubled {:?}", store.at("/doubled").get::<i64>()?));
    store.at("/counter").set(3)?;
    say(format!("squared {:?}", store.at("/squared").get::<i64>()?));

    let total = store.derive_many("/cart/total", ["/cart/items/*/price"], |prices| {
        Ok(Some(prices.all()?.iter().filter_map(|(_, price)| price.as_i64()).sum::<i64>()))
    })?;
    say(format!("an empty cart: {}", store.at("/cart/total").get_or(0)?));
    store.at("/cart/items").set_tree(json!({ "pen": { "price": 10 }, "ink": { "price": 2 } }))?;
    say(format!("the cart: {}", store.at("/cart/total").get_or(0)?));

    let average = store.derive_many("/average", ["/posts/*", "/comments/*"], |all| {
        let (posts, comments) = (count(all, "/posts")?, count(all, "/comments")?);
        Ok((posts > 0).then(|| comments as f64 / posts as f64))
    })?;
    for (path, n) in [("/posts", 2), ("/comments", 3)] {
        for id in 1..=n {
            store.at(path).at(id.to_string()).set("text")?;
        }
    }
    say(format!("comments a post: {:?}", store.at("/average").get::<f64>()?));
    store.at("/comments/4").set("text")?;
    say(format!("comments a post: {:?}", store.at("/average").get::<f64>()?));
    drop((doubled, squared, total, average));
    Ok(())
}

fn count(all: &Sources, path: &str) -> Result<usize, StoreError> {
    Ok(all.get::<Value>(path)?.as_ref().and_then(Value::as_object).map_or(0, |all| all.len()))
}

fn dashboard(say: fn(String)) -> Result<(), StoreError> {
    let store = Store::new();
    store.at("/users/active").set(1)?;
    store.at("/posts/public").set(1)?;
    store.at("/settings/visibility").set("public")?;
    let shown = effect!([store] {
        let number = |path: &str| store.at(path).get_or(0).unwrap_or_default();
        let visibility = store.at("/settings/visibility").get_or("?".to_string());
        let (users, posts) = (number("/users/active"), number("/posts/public"));
        say(format!("({users}, {posts}, {})", visibility.unwrap_or_default()));
    });
    store.at("/users/active").set(2)?;
    store.at("/posts/public").set(2)?;
    store.at("/posts/archived").set(7)?;
    store.at("/settings/visibility").set("private")?;
    drop(shown);
    Ok(())
}

fn switching(say: fn(String)) -> Result<(), StoreError> {
    let store = Store::new();
    store.at("/items/i1/n").set(1)?;
    store.at("/items/j1/n").set(2)?;
    store.at("/selected").set("i1")?;
    let shown = effect!([store] {
        let selected = store.at("/selected").get_or(String::new()).unwrap_or_default();
        let n: Option<i64> = store.at("/items").at(&selected).at("n").get().unwrap_or_default();
        say(format!("({selected}, {})", n.unwrap_or(0)));
    });
    store.at("/items/i1/n").set(10)?;
    store.at("/selected").set("j1")?;
    store.at("/items/i1/n").set(11)?;
    drop(shown);

    store.at("/features/legacy").set(true)?;
    let shown = effect!([store] {
        let legacy = store.at("/features/legacy").get_or(false).unwrap_or_default();
        let path = if legacy { "/api/v1" } else { "/api/v2" };
        let state = store.at(path).get_or("idle".to_string()).unwrap_or_default();
        say(format!("{path} is {state}"));
    });
    store.at("/features/legacy").set(false)?;
    store.at("/api/v1").set("busy")?;
    store.at("/api/v2").set("busy")?;
    drop(shown);
    Ok(())
}
