/**
 * The only script of splat's pages. A click on a heading sorts a table of the class `sortable`. The words typed above a long table
 * filter this table. The policy of a page allows the script by its digest. The script reads and changes only its own page. A page
 * is complete without the script.
 */
export const tableScript = `
for (const table of document.querySelectorAll('table.sortable')) {
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const label = document.createElement('label');
  const field = document.createElement('input');
  const told = document.createElement('span');
  told.setAttribute('role', 'status');
  field.type = 'search';
  label.append('only rows with ', field);
  const line = document.createElement('p');
  line.className = 'filter';
  line.append(label, ' ', told);
  if (rows.length > 8) table.parentNode.before(line);
  field.addEventListener('input', () => {
    const words = field.value.toLowerCase().split(/\\s+/);
    let left = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      if (!row.hidden) left += 1;
    }
    told.textContent = left + ' of ' + rows.length;
  });
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, at) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener('click', () => {
      const down = heading.getAttribute('aria-sort') === 'ascending';
      for (const other of headings) other.removeAttribute('aria-sort');
      heading.setAttribute('aria-sort', down ? 'descending' : 'ascending');
      const isNumber = heading.classList.contains('number');
      const key = (row) => row.cells[at].textContent.trim();
      const compare = (a, b) =>
        isNumber ? parseFloat(key(a)) - parseFloat(key(b)) : key(a).localeCompare(key(b), 'en', { numeric: true });
      body.append(...rows.slice().sort((a, b) => (down ? compare(b, a) : compare(a, b))));
    });
  });
}
`;
