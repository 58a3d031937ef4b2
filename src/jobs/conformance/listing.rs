//! Pages of jobs.

use super::{MODEL, OTHER, Stage, succeeded};
use crate::error::Kind;
use crate::jobs::job::{Failure, Outcome, Status};
use crate::jobs::store::{Ending, Filter};

pub async fn lists_are_paged_newest_first(stage: Stage) {
    let mut newest = Vec::new();
    for n in 0..20 {
        let id = stage.add(if n % 2 == 0 { MODEL } else { OTHER }).await;
        newest.insert(0, id);
    }
    let page = |limit| Filter {
        limit,
        ..Filter::default()
    };
    assert_eq!(stage.listed(page(100)).await, newest);
    assert_eq!(stage.listed(page(3)).await, newest[..3]);
    assert!(stage.listed(page(0)).await.is_empty());
    let before = Some(newest[2]);
    assert_eq!(stage.listed(Filter { before, ..page(3) }).await, newest[3..6]);
    let model = Some(MODEL.to_owned());
    let digits: Vec<_> = newest.iter().copied().skip(1).step_by(2).collect();
    let of_model = Filter {
        model: model.clone(),
        ..page(100)
    };
    assert_eq!(stage.listed(of_model).await, digits);
    let claimed = stage.claim(MODEL, 2).await.unwrap();
    let status = Some(Status::Running);
    let running = stage.listed(Filter { status, ..page(100) }).await;
    assert_eq!(running, [claimed[1].job.id, claimed[0].job.id]);
    let status = Some(Status::Queued);
    let rest = Filter {
        model,
        status,
        before,
        limit: 100,
    };
    assert_eq!(stage.listed(rest).await, digits[1..8]);
}

pub async fn lists_are_of_a_model_or_a_status(stage: Stage) {
    let mut ids = Vec::new();
    for model in [MODEL, OTHER, MODEL, OTHER, MODEL] {
        ids.push(stage.add(model).await);
    }
    let claim = stage.claim_one().await.unwrap();
    let outcome = Outcome::Failed(Failure::new(Kind::PipelineFailed, "it broke"));
    let end = Ending {
        outcome: outcome.clone(),
        ..succeeded(None)
    };
    assert!(stage.finish(&claim.lease, end).await.unwrap());
    let of = |model: Option<&str>, status| Filter {
        model: model.map(str::to_owned),
        status,
        before: None,
        limit: 10,
    };
    assert_eq!(stage.listed(of(Some(OTHER), None)).await, [ids[3], ids[1]]);
    let queued = Some(Status::Queued);
    assert_eq!(stage.listed(of(Some(MODEL), queued)).await, [ids[4], ids[2]]);
    assert!(stage.listed(of(Some("unknown"), None)).await.is_empty());
    let failed = stage.list(&of(None, Some(Status::Failed))).await.unwrap();
    assert_eq!((failed.len(), failed[0].id), (1, ids[0]));
    assert_eq!(failed[0].outcome, Some(outcome));
}
