// What is in the chunk of a key's detail.

export { CreateDialog } from './create-dialog.tsx';
export { KeyPanel } from './panel.tsx';
