//! What the shop sells: products, categories, prices, and the SQL for them. Knows nothing of caches.

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};

/// Names a product.
pub(crate) type ProductId = u32;
/// Names a category.
pub(crate) type CategoryId = u32;

/// A product with its price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Product {
    pub(crate) id: ProductId,
    pub(crate) name: String,
    pub(crate) category: CategoryId,
    pub(crate) price_cents: u32,
    /// 1 for a new product, one more with every change.
    pub(crate) version: i64,
}

/// A category, with the products that are in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Category {
    pub(crate) name: String,
    pub(crate) products: Vec<ProductId>,
}

/// What to change of a product. A new product needs all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) price_cents: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) category: Option<CategoryId>,
}

/// Why nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("a new product needs `name`, `price_cents` and `category`")]
    Incomplete,
    #[error("there is no such category")]
    UnknownCategory,
}

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS categories (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS products (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL, version INTEGER NOT NULL,
        category INTEGER NOT NULL REFERENCES categories (id));
    CREATE TABLE IF NOT EXISTS prices (
        product INTEGER PRIMARY KEY REFERENCES products (id), cents INTEGER NOT NULL);
    CREATE INDEX IF NOT EXISTS products_by_category ON products (category, id);
";

const PRODUCT: &str = "
    SELECT products.id, products.name, products.category, prices.cents, products.version
    FROM products JOIN prices ON prices.product = products.id";

fn product_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<Product> {
    Ok(Product {
        id: row.get(0)?,
        name: row.get(1)?,
        category: row.get(2)?,
        price_cents: row.get(3)?,
        version: row.get(4)?,
    })
}

/// A product, if it exists.
pub(crate) fn product(connection: &Connection, id: ProductId) -> rusqlite::Result<Option<Product>> {
    let mut query = connection.prepare_cached(&format!("{PRODUCT} WHERE products.id = ?1"))?;
    query.query_row([id], product_of).optional()
}

/// Those of the products that exist, read at one moment.
pub(crate) fn products(
    connection: &Connection,
    ids: &[ProductId],
) -> rusqlite::Result<Vec<Product>> {
    let snapshot = connection.unchecked_transaction()?;
    let products: rusqlite::Result<Vec<_>> = ids.iter().map(|id| product(&snapshot, *id)).collect();
    Ok(products?.into_iter().flatten().collect())
}

/// A category, if it exists.
pub(crate) fn category(
    connection: &Connection,
    id: CategoryId,
) -> rusqlite::Result<Option<Category>> {
    let snapshot = connection.unchecked_transaction()?;
    let mut query = snapshot.prepare_cached("SELECT name FROM categories WHERE id = ?1")?;
    let Some(name) = query.query_row([id], |row| row.get(0)).optional()? else {
        return Ok(None);
    };
    let mut query =
        snapshot.prepare_cached("SELECT id FROM products WHERE category = ?1 ORDER BY id")?;
    let products: rusqlite::Result<_> = query.query_map([id], |row| row.get(0))?.collect();
    Ok(Some(Category { name, products: products? }))
}

/// Changes a product, or adds it, and returns it as it is then.
pub(crate) fn change(
    transaction: &Transaction<'_>,
    id: ProductId,
    change: &Change,
) -> rusqlite::Result<Result<Product, Refusal>> {
    let known = product(transaction, id)?;
    let known = known.as_ref();
    let name = change.name.clone().or_else(|| known.map(|known| known.name.clone()));
    let price_cents = change.price_cents.or_else(|| known.map(|known| known.price_cents));
    let category = change.category.or_else(|| known.map(|known| known.category));
    let (Some(name), Some(price_cents), Some(category)) = (name, price_cents, category) else {
        return Ok(Err(Refusal::Incomplete));
    };
    let mut exists = transaction.prepare_cached("SELECT 1 FROM categories WHERE id = ?1")?;
    if !exists.exists([category])? {
        return Ok(Err(Refusal::UnknownCategory));
    }
    let version = known.map_or(1, |known| known.version + 1);
    let product = Product { id, name, category, price_cents, version };
    put(transaction, &product)?;
    Ok(Ok(product))
}

fn put(transaction: &Transaction<'_>, product: &Product) -> rusqlite::Result<()> {
    let Product { id, name, category, price_cents, version } = product;
    transaction
        .prepare_cached(
            "INSERT INTO products (id, name, category, version) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (id) DO UPDATE SET name = ?2, category = ?3, version = ?4",
        )?
        .execute(params![id, name, category, version])?;
    transaction
        .prepare_cached(
            "INSERT INTO prices (product, cents) VALUES (?1, ?2)
             ON CONFLICT (product) DO UPDATE SET cents = ?2",
        )?
        .execute(params![id, price_cents])?;
    Ok(())
}

/// How many products a new database gets: ids 1 to this.
pub(crate) const PRODUCTS: u32 = 4_000;
const CATEGORIES: u32 = 80;

/// Creates the tables and, in an empty database, the goods: the same ones every time.
pub(crate) fn fill(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch(SCHEMA)?;
    if transaction.prepare("SELECT 1 FROM categories")?.exists(())? {
        return Ok(());
    }
    for id in 1..=CATEGORIES {
        let name = format!("{} {}", pick(&STYLES, id / 8), pick(&ROOMS, id));
        transaction.execute("INSERT INTO categories VALUES (?1, ?2)", params![id, name])?;
    }
    for id in 1..=PRODUCTS {
        let name =
            format!("{} {} {}", pick(&STYLES, id / 80), pick(&WOODS, id / 8), pick(&GOODS, id));
        let category = 1 + id % CATEGORIES;
        // Some odd spread of prices between 5.00 and 505.00.
        let price_cents = 500 + id.wrapping_mul(2_654_435_761) % 50_000;
        put(transaction, &Product { id, name, category, price_cents, version: 1 })?;
    }
    Ok(())
}

/// A product id that is not in use.
pub(crate) fn unused_id(connection: &Connection) -> rusqlite::Result<ProductId> {
    connection.query_row("SELECT 1 + max(id) FROM products", (), |row| row.get(0))
}

fn pick(words: &[&'static str], number: u32) -> &'static str {
    words[number as usize % words.len()]
}

const STYLES: [&str; 10] = [
    "Plain", "Rustic", "Modern", "Nordic", "Shaker", "Folding", "Slim", "Tall", "Round", "Vintage",
];
const WOODS: [&str; 10] =
    ["oak", "ash", "beech", "walnut", "pine", "cherry", "maple", "elm", "birch", "larch"];
const GOODS: [&str; 8] = ["table", "chair", "shelf", "lamp", "bench", "stool", "desk", "chest"];
const ROOMS: [&str; 8] =
    ["kitchen", "hall", "study", "garden", "nursery", "bedroom", "workshop", "library"];

#[cfg(test)]
mod tests {
    use super::*;

    fn filled() -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        let transaction = connection.transaction().unwrap();
        fill(&transaction).unwrap();
        transaction.commit().unwrap();
        connection
    }

    #[test]
    fn the_goods_are_all_there_and_filling_again_changes_nothing() {
        let mut connection = filled();
        let ids: Vec<_> = (1..=PRODUCTS).collect();
        let before = products(&connection, &ids).unwrap();
        assert_eq!(before.len(), PRODUCTS as usize);
        let seventh = category(&connection, 7).unwrap().unwrap();
        assert_eq!(seventh.products.len(), (PRODUCTS / CATEGORIES) as usize);
        let transaction = connection.transaction().unwrap();
        fill(&transaction).unwrap();
        transaction.commit().unwrap();
        assert_eq!(products(&connection, &ids).unwrap(), before);
        assert_eq!(unused_id(&connection).unwrap(), PRODUCTS + 1);
        assert_eq!(product(&connection, PRODUCTS + 1).unwrap(), None);
        assert_eq!(category(&connection, CATEGORIES + 1).unwrap(), None);
    }

    #[test]
    fn a_change_touches_what_it_names_and_counts_the_version() {
        let mut connection = filled();
        let before = product(&connection, 5).unwrap().unwrap();
        let transaction = connection.transaction().unwrap();
        let cheaper = Change { price_cents: Some(1), ..Change::default() };
        let after = change(&transaction, 5, &cheaper).unwrap().unwrap();
        assert_eq!(after, Product { price_cents: 1, version: 2, ..before });
        let nowhere = Change { category: Some(CATEGORIES + 1), ..Change::default() };
        assert_eq!(change(&transaction, 5, &nowhere).unwrap(), Err(Refusal::UnknownCategory));
        assert_eq!(change(&transaction, PRODUCTS + 1, &cheaper).unwrap(), Err(Refusal::Incomplete));
        assert_eq!(product(&transaction, 5).unwrap().unwrap(), after);
    }
}
