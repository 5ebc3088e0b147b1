"""Brain-MRI tumour classification by transfer learning."""
