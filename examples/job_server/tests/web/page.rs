//! The page, driven like a user drives it.

use crate::browser::{Browser, Page};
use crate::site::{Site, in_time};
use serde_json::json;

#[test]
fn the_page_shows_and_commands_the_jobs() {
    in_time(|| async {
        let Some(browser) = Browser::start().await else { return };
        let page = browser.page();
        // On a task of its own, so that the browser ends however the story does.
        let told = tokio::spawn(story(page)).await;
        browser.close().await;
        told.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()));
    });
}

async fn story(page: Page) {
    let site = Site::open().await;
    page.client.goto(&format!("http://{}/", site.address)).await.expect("the server has a page");
    page.sees("[data-link=live]").await;
    two_jobs_go_their_own_ways(&page, &site).await;
    a_reload_shows_the_present(&page, &site).await;
    another_client_is_seen(&page, &site).await;
    names_are_text_and_nothing_is_fetched(&page).await;
    what_the_server_refuses_is_said(&page).await;
    site_comes_back(&page, site).await;
}

async fn add(page: &Page, name: &str) {
    let input = page.sees("#name").await;
    input.send_keys(name).await.expect("the field takes text");
    page.click("#add button").await;
}

/// Lets jobs take steps until `job`, which runs, has come that far on the page.
async fn step_until(page: &Page, site: &Site, job: u32, progress: u32) {
    let seen = page.number(&format!("#job-{job}"), "data-progress").await as u32;
    for progress in seen + 1..=progress {
        site.step();
        page.sees(&format!("#job-{job}[data-status=running][data-progress='{progress}']")).await;
    }
}

async fn two_jobs_go_their_own_ways(page: &Page, site: &Site) {
    add(page, "first").await;
    page.click("#job-1 [data-do=start]").await;
    page.sees("#job-1[data-status=running][data-progress='0']").await;
    step_until(page, site, 1, 3).await;

    add(page, "second").await;
    page.click("#job-2 [data-do=start]").await;
    page.sees("#job-2[data-status=running]").await;
    page.click("#job-1 [data-do=pause]").await;
    page.sees("#job-1[data-status=paused][data-progress='3']").await;
    step_until(page, site, 2, 6).await;
    page.sees("#job-1[data-status=paused][data-progress='3']").await;
    page.sees("#overview[data-progress='4.5']").await;
    // The server would refuse them; the page does not offer them.
    page.sees("#job-1 [data-do=start]:disabled").await;
    page.sees("#job-2 [data-do=resume]:disabled").await;

    page.click("#job-1 [data-do=resume]").await;
    page.sees("#job-1[data-status=running]").await;
    step_until(page, site, 1, 5).await;
    page.click("#job-1 [data-do=cancel]").await;
    page.sees("#job-1[data-status=cancelled][data-progress='5']").await;
    step_until(page, site, 2, 10).await;
    page.sees("#job-1[data-status=cancelled][data-progress='5']").await;
}

async fn a_reload_shows_the_present(page: &Page, site: &Site) {
    page.client.refresh().await.expect("the browser reloads");
    page.sees("#job-1[data-status=cancelled][data-progress='5']").await;
    page.sees("#job-2[data-status=running][data-progress='10']").await;
    step_until(page, site, 2, 12).await;
}

async fn another_client_is_seen(page: &Page, site: &Site) {
    let mut client = site.client().await;
    let board = client.board(|board| board.clients == 2).await;
    assert_eq!(board.jobs[1].progress, 12, "both are shown the same");
    let paused = client.tell("pause", 2).await.done();
    page.sees(&format!("#job-2[data-status=paused][data-progress='{}']", paused.progress)).await;
    client.ask(json!({ "do": "add", "name": "<b id=bold>&amp;</b>" })).await.done();
    page.sees("#job-3[data-status=idle]").await;
    page.picture("jobs").await;
}

async fn names_are_text_and_nothing_is_fetched(page: &Page) {
    let name = page.sees("#job-3 .name").await.text().await.expect("it has a text");
    assert_eq!(name, "<b id=bold>&amp;</b>");
    let fetched = "return performance.getEntriesByType('resource').map((it) => it.name)";
    let fetched = page.client.execute(fetched, Vec::new()).await.expect("the page runs it");
    assert_eq!(fetched, json!([]), "the page brings all it needs along");
    page.click("#clear").await;
    page.sees("#job-2:first-child").await;
}

async fn what_the_server_refuses_is_said(page: &Page) {
    add(page, " ").await;
    let error = page.sees("#error:not(:empty)").await.text().await.expect("it has a text");
    assert_eq!(error, "a name has 1 to 60 characters");
    page.click("#clear").await;
    page.sees("#error:empty").await;
}

async fn site_comes_back(page: &Page, site: Site) {
    let address = site.address.to_string();
    site.close().await;
    page.sees("[data-link=lost]").await;
    page.sees("#job-2 [data-do=resume]:disabled").await;
    page.picture("lost").await;

    let site = Site::open_on(&address).await;
    page.sees("[data-link=live]").await;
    page.sees("#jobs:empty").await;
    add(page, "after the return").await;
    page.click("#job-1 [data-do=start]").await;
    page.sees("#job-1[data-status=running]").await;
    step_until(page, &site, 1, 2).await;
    page.sees("#error:empty").await;
    site.close().await;
    page.sees("[data-link=lost]").await;
}
