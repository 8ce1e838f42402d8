/** Says that this process is alive, whatever else is not. */
export const GET = () => Response.json({ status: 'alive' }, { headers: { 'cache-control': 'no-store' } });
