//! Many clients and tools, in process: what one call's authentication and
//! authorization cost beside a gateway with few, and what changing clients costs.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::Effort;
use crate::crowd::{Crowd, Size};
use crate::policies::show;

const FEW: Size = Size { clients: 10, servers: 2, tools_per_server: 5 };
const MANY: Size = Size { clients: 10_000, servers: 50, tools_per_server: 20 };
/// For a smoke run.
const SOME: Size = Size { clients: 30, servers: 5, tools_per_server: 20 };

/// Measures and prints. `postgres` is the URL of an empty database to create clients in too.
pub(crate) async fn run(effort: &Effort, is_quick: bool, postgres: Option<&str>) -> Result<()> {
    let size = if is_quick { SOME } else { MANY };
    println!("\nscale, in process: {FEW} beside {size}");
    let few = Crowd::new(FEW).await?;
    let many = Crowd::new(size).await?;
    println!("{:<46}{:>12}{:>12}{:>8}", "", "few", "many", "ratio");
    let rounds = 2 * effort.rounds + 1;
    let calls = if is_quick { 30 } else { 5_000 };
    compare("authentication and authorization of a call", &few, &many, rounds, calls, Crowd::decide).await?;
    compare("the same, on a group of one server", &few, &many, rounds, calls, Crowd::decide_in_group).await?;
    compare("the same, on a group that names every tool", &few, &many, rounds, calls / 10, Crowd::decide_in_list)
        .await?;
    compare("making the list of a client of one server", &few, &many, rounds, calls / 100 + 1, Crowd::list).await?;
    let changes = calls / 100 + 1;
    compare("creating one client more, and serving it", &few, &many, rounds, changes, Crowd::create).await?;
    compare("rotating a client's token, and serving it", &few, &many, rounds, changes, Crowd::rotate).await?;
    compare("deleting a client, and serving without it", &few, &many, rounds, changes, Crowd::delete_created).await?;
    print_growth("creating clients one after another", &many)?;
    if let Some(url) = postgres {
        print_growth("the same on PostgreSQL", &Crowd::on_postgres(url, size).await?)?;
    }
    Ok(())
}

/// The two take turns; each figure is the median over rounds of what one step takes on average.
async fn compare<'c, Step: Future<Output = Result<Duration>>>(
    what: &str,
    few: &'c Crowd,
    many: &'c Crowd,
    rounds: usize,
    steps: usize,
    step: impl Fn(&'c Crowd, usize) -> Step,
) -> Result<()> {
    let mut taken = [Vec::with_capacity(rounds), Vec::with_capacity(rounds)];
    for round in 0..rounds {
        for (crowd, taken) in [few, many].into_iter().zip(&mut taken) {
            let mut all = Duration::ZERO;
            for number in 0..steps {
                all += step(crowd, round * steps + number).await.with_context(|| what.to_owned())?;
            }
            taken.push(all / u32::try_from(steps)?);
        }
    }
    let [few, many] = taken.map(median);
    println!("{what:<46}{:>12}{:>12}{:>8.2}", show(few), show(many), many.as_secs_f64() / few.as_secs_f64());
    Ok(())
}

/// Time that grows with the number of those that are there already would show as a ratio above 1.
fn print_growth(what: &str, crowd: &Crowd) -> Result<()> {
    let thousands: Vec<Duration> = crowd
        .creations
        .chunks(1_000)
        .map(|chunk| Ok(chunk.iter().sum::<Duration>() / u32::try_from(chunk.len())?))
        .collect::<Result<_>>()?;
    let (first, last) = thousands.first().zip(thousands.last()).context("nobody was created")?;
    let middle = thousands[thousands.len() / 2];
    println!(
        "{what}: {} each of the first thousand, {} of the middle one, {} of the last; last to first {:.2}",
        show(*first),
        show(middle),
        show(*last),
        last.as_secs_f64() / first.as_secs_f64()
    );
    Ok(())
}

fn median(mut samples: Vec<Duration>) -> Duration {
    samples.sort_unstable();
    samples[samples.len() / 2]
}
