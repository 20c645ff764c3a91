import * as v from 'valibot';

/** What every schema of this room is; its type is Recorded<typeof schema>. */
export type RecordSchema = v.GenericSchema;

/** The type of what a schema accepts, unchangeable to its depth. */
export type Recorded<S extends RecordSchema> = Frozen<v.InferOutput<S>>;

type Frozen<T> = T extends readonly (infer Item)[]
  ? readonly Frozen<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: Frozen<T[Key]> }
    : T;

/** The schema with a description, which its JSON Schema carries, too. */
export function described<S extends RecordSchema>(
  schema: S,
  text: string,
): v.SchemaWithPipe<readonly [S, v.DescriptionAction<v.InferOutput<S>, string>]> {
  return v.pipe(schema, v.description(text));
}

/** A list of texts. */
export const texts = v.array(v.string());

/** Numbers by name, as counters are. */
export const counts = v.record(v.string(), v.number());

/** A value that was checked, or the path of the first field that is wrong, as `trials[0].ledger.before`; empty for the whole. */
export type Checked<T> =
  | { readonly isRight: true; readonly value: T }
  | { readonly isRight: false; readonly field: string };

/**
 * Checks a value that may have come from anybody. Fields that a schema does not name are left out of the value: a later
 * version may have added them.
 */
export function checkValue<S extends RecordSchema>(
  schema: S,
  value: unknown,
): Checked<Recorded<S>> {
  const parsed = v.safeParse(schema, value, { abortEarly: true });
  if (parsed.success) return { isRight: true, value: parsed.output as Recorded<S> };
  const path = parsed.issues[0].path ?? [];
  const words = path.map(({ key }) =>
    typeof key === 'number' ? `[${key}]` : `.${String(key).slice(0, 100)}`,
  );
  return { isRight: false, field: words.join('').replace(/^\./, '') };
}

/** The same of text that should be JSON; `why` goes after the words that say what it is not. */
export function checkJson<S extends RecordSchema>(
  schema: S,
  text: string,
):
  | { readonly isRight: true; readonly value: Recorded<S> }
  | { readonly isRight: false; readonly why: string } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { isRight: false, why: '; it is not JSON' };
  }
  const checked = checkValue(schema, value);
  if (checked.isRight) return checked;
  return { isRight: false, why: checked.field === '' ? '' : ` (${checked.field})` };
}
