//! What happens in the demo, one act after the other, each with the claim it proves.

use std::fs;
use std::io;
use std::time::Duration;

use super::Stage;
use super::show::Show;
use crate::config;
use crate::diagnostic::Style;

/// The load spreads evenly.
pub async fn balancing(stage: &mut Stage, show: &mut Show) {
    let even = watch(stage, |answers| {
        let total: u64 = answers.iter().map(|(_, count)| count).sum();
        answers.len() == 3 && answers.iter().all(|(_, count)| count * 4 > total)
    })
    .await;
    show.act("balancing", "three backends, a third each", even, stage);
}

/// One is killed in the midst of its work: nobody notices.
pub async fn kill(stage: &mut Stage, show: &mut Show) -> io::Result<()> {
    stage.backends[1].kill();
    show.note("killed", "backend b is killed, its connections with it");
    let gone = watch(stage, |answers| answers.iter().all(|(name, _)| *name != "b")).await;
    show.act("killed", "the others take its share, no GET fails", gone, stage);
    Ok(())
}

/// It comes back, and gets its share again.
pub async fn come_back(stage: &mut Stage, show: &mut Show) -> io::Result<()> {
    stage.backends[1].come_back().await?;
    show.note("back", "backend b is started again");
    let back = watch(stage, |answers| {
        let total: u64 = answers.iter().map(|(_, count)| count).sum();
        answers.iter().any(|(name, count)| *name == "b" && count * 4 > total)
    })
    .await;
    show.act("back", "it is checked, and has its third again", back, stage);
    Ok(())
}

/// The file is edited while all this goes on: traffic follows.
pub async fn edit(stage: &mut Stage, show: &mut Show) -> io::Result<()> {
    stage.edit(&stage.backends[1..])?;
    show.note("edited", "the file is edited: backend a leaves the pool");
    let followed = watch(stage, |answers| answers.iter().all(|(name, _)| *name != "a")).await;
    show.act("edited", "traffic follows, no connection is closed", followed, stage);
    Ok(())
}

/// A mistake in the file is explained, and changes nothing.
pub async fn mistake(stage: &mut Stage, show: &mut Show) -> io::Result<()> {
    let good = fs::read_to_string(&stage.file)?;
    fs::write(&stage.file, good.replace("\npool =", "\npol ="))?;
    let report = config::load(&stage.file).err().map(|report| report.render(Style::Plain));
    let refused = stage.process.reload() == crate::runtime::process::Reloaded::Refused;
    show.note("mistake", "the file is edited wrongly: weir goes on with what it has, and says");
    show.report(report.as_deref().unwrap_or_default());
    let unmoved = watch(stage, |answers| answers.len() == 2).await;
    show.act("mistake", "nothing has changed", refused && report.is_some() && unmoved, stage);
    fs::write(&stage.file, good)?;
    Ok(())
}

/// Looks at the answers of one half second after the other until they are as they should be, twice in a
/// row; `false` if they never are. What was last seen stays in the stage, to be shown.
async fn watch(
    stage: &mut Stage,
    as_it_should_be: impl Fn(&[(&'static str, u64)]) -> bool,
) -> bool {
    let mut in_a_row = 0;
    stage.load.seen.take();
    for _ in 0..PATIENCE {
        tokio::time::sleep(WINDOW).await;
        stage.shares = stage.load.seen.take();
        in_a_row = if as_it_should_be(&stage.shares) && !stage.shares.is_empty() {
            in_a_row + 1
        } else {
            0
        };
        if in_a_row == 2 {
            return true;
        }
    }
    false
}

const WINDOW: Duration = Duration::from_millis(500);
/// Windows until a claim is given up.
const PATIENCE: u32 = 20;
