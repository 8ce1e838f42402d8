import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { EmailSchema, NameSchema, readForm } from '#lib/server/auth/forms.ts';

function formOf(fields: Record<string, string | Blob>): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.set(name, value);
  return form;
}

describe('readForm', () => {
  it('gives the fields in their stored form', () => {
    const read = readForm(formOf({ email: ' Ann@Example.COM ', name: '  Ann ' }), { email: EmailSchema, name: NameSchema });
    expect(read).toEqual({ kind: 'ok', fields: { email: 'ann@example.com', name: 'Ann' } });
  });

  it('gives the first problem of each field', () => {
    const read = readForm(formOf({ email: 'ann' }), { email: EmailSchema, name: NameSchema });
    expect(read.kind === 'invalid' && Object.keys(read.errors).sort()).toEqual(['email', 'name']);
    expect(read.kind === 'invalid' && read.errors['email']).toBe('Enter an e-mail like name@example.com.');
  });

  it('counts a file as missing', () => {
    expect(readForm(formOf({ name: new Blob(['x']) }), { name: NameSchema }).kind).toBe('invalid');
  });

  it.each(['admin@localhost', 'a.b+c@example.com'])('takes the e-mail %s', (email) => {
    expect(v.is(EmailSchema, email)).toBe(true);
  });

  it.each(['', '@', 'a@', '@b', 'a b@c', 'İ@example.com', 'a@b@c'])('refuses the e-mail %j', (email) => {
    expect(v.is(EmailSchema, email)).toBe(false);
  });
});
