use ecosystem_placement::{DenseBuilder, DenseHost, DenseItem, Dimension, Settings, solve};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut raw = DenseBuilder::new([Dimension { name: "cpu".into(), ..Dimension::default() }]);
    raw.host(DenseHost { capacity: vec![4], open_cost: 5, ..DenseHost::default() });
    raw.item(DenseItem { demand: vec![1], ..DenseItem::default() });
    println!("cost {}", solve(&raw.build()?, &Settings::default()).cost.total());
    Ok(())
}
