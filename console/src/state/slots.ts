/** Which element of a long list shows which of its rows. */

/** An element, by a number that it keeps, and the id of the row that it shows. */
export interface Slot {
  key: number;
  id: string;
}

/** What shows the rows `ids`, in their order. A row that is shown already keeps its element; elements of rows that went show what is new, so that
 * nothing is made while somebody scrolls. The element of the row `focused` shows no other: the focus would be on what nobody chose.
 */
export function slots(was: readonly Slot[], ids: readonly string[], focused?: string): Slot[] {
  const wanted = new Set(ids);
  const there = new Map(was.map(({ key, id }) => [id, key]));
  const free = was.filter(({ id }) => !wanted.has(id) && id !== focused).map(({ key }) => key);
  let unused = was.reduce((most, { key }) => Math.max(most, key + 1), 0);
  return ids.map((id) => ({ key: there.get(id) ?? free.shift() ?? unused++, id }));
}
