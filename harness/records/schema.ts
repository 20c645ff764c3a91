import * as v from 'valibot';

/** The type of every schema in this room. The type of a record is Recorded<typeof schema>. */
export type RecordSchema = v.GenericSchema;

/** The type of the values that a schema accepts, read-only at every depth. */
export type Recorded<S extends RecordSchema> = Frozen<v.InferOutput<S>>;

type Frozen<T> = T extends readonly (infer Item)[]
  ? readonly Frozen<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: Frozen<T[Key]> }
    : T;

/** Returns the schema with a description, which also appears in the JSON Schema. */
export function described<S extends RecordSchema>(
  schema: S,
  text: string,
): v.SchemaWithPipe<readonly [S, v.DescriptionAction<v.InferOutput<S>, string>]> {
  return v.pipe(schema, v.description(text));
}

/** A list of texts. */
export const texts = v.array(v.string());

/** Numbers by name, such as counters. */
export const counts = v.record(v.string(), v.number());

/**
 * A value that was checked, or the path of its first wrong field, for example `trials[0].ledger.before`. The path is empty when the
 * value as a whole is wrong.
 */
export type Checked<T> =
  | { readonly isRight: true; readonly value: T }
  | { readonly isRight: false; readonly field: string };

/**
 * Checks a value that may come from anywhere. Leaves fields that the schema does not name out of the result, because a later
 * version of splat may have added them; only a strict schema refuses such fields.
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

/**
 * Parses a text that should be JSON and checks the value like checkValue(). `why` is the end for a message that says what the text
 * is not: `; it is not JSON`, or the wrong field as ` (trials[0].id)`, or empty when the value as a whole is wrong.
 */
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
