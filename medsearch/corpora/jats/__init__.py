"""PMC and publishers' articles in JATS XML (NISO Z39.96), from files, folders and packages."""
