//! A base: its tables, each with an id and a name of its own.

use crate::id::{Ids, is_id};
use crate::schema::{BaseSpec, usable_name};
use crate::table::Table;

/// A base.
#[derive(Debug)]
pub(crate) struct Base {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) tables: Vec<Table>,
}

/// Makes bases that are to stand beside each other.
///
/// # Errors
/// What is wrong with one, or that two have the same id.
pub(crate) fn make_all(specs: &[BaseSpec], ids: &mut Ids) -> Result<Vec<Base>, String> {
    let mut bases: Vec<Base> = Vec::new();
    for spec in specs {
        let base = Base::new(spec, ids)?;
        if bases.iter().any(|known| known.id == base.id) {
            return Err(format!("there are two bases {}", base.id));
        }
        bases.push(base);
    }
    Ok(bases)
}

impl Base {
    /// Makes a base with its tables.
    ///
    /// # Errors
    /// What is wrong with its id, or with a table.
    pub(crate) fn new(spec: &BaseSpec, ids: &mut Ids) -> Result<Self, String> {
        let id = spec.id.clone().unwrap_or_else(|| ids.next("app"));
        if !is_id(&id, "app") {
            // The API answers 404 for it, whatever there is.
            return Err(format!(
                "{id:?} is no id of a base: write app and 14 letters or digits, or leave it out"
            ));
        }
        let mut base = Self {
            id,
            name: spec.name.clone(),
            tables: Vec::new(),
        };
        for table in &spec.tables {
            base.add_table(Table::new(table, ids)?)?;
        }
        Ok(base)
    }

    /// Adds a table.
    ///
    /// # Errors
    /// It has no name, or its name or its id is taken.
    pub(crate) fn add_table(&mut self, table: Table) -> Result<(), String> {
        usable_name("table", &table.name, self.tables.iter().map(|known| &*known.name))?;
        if self.tables.iter().any(|known| known.id == table.id) {
            return Err(format!("there is a table {} already", table.id));
        }
        self.tables.push(table);
        Ok(())
    }

    /// Gives the table at a place another name.
    ///
    /// # Errors
    /// It is no name, or another table has it.
    pub(crate) fn rename_table(&mut self, place: usize, name: &str) -> Result<(), String> {
        let others = self.tables.iter().enumerate().filter(|(other, _)| *other != place);
        usable_name("table", name, others.map(|(_, known)| &*known.name))?;
        name.clone_into(&mut self.tables[place].name);
        Ok(())
    }

    /// Where the table of this id or name is.
    pub(crate) fn place(&self, id_or_name: &str) -> Option<usize> {
        let by_id = self.tables.iter().position(|table| table.id == id_or_name);
        by_id.or_else(|| self.tables.iter().position(|table| table.name == id_or_name))
    }

    pub(crate) fn records(&self) -> usize {
        self.tables.iter().map(Table::len).sum()
    }
}
